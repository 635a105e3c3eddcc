"""Building blocks without HTTP or SQL: exceptions, passwords, tokens, email, logging."""

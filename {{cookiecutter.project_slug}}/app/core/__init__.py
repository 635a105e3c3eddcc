"""Building blocks without FastAPI or SQLAlchemy: errors, passwords, tokens, email, logging."""

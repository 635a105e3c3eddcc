"""The rules. Services flush and never commit: the transaction is the request's."""

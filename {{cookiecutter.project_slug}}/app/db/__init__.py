"""Database: engine, transactions, pagination, driver errors and dialects."""

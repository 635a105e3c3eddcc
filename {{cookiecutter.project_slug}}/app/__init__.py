"""FastAPI service: users, authentication and items."""

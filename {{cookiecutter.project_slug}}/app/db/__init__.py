"""The database: engine, sessions, the base of the models, pages of rows."""

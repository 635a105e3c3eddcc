"""The service. `app.main` puts the parts together; every import points down from there."""

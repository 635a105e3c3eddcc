"""Endpoints declare, delegate and return; the rules are in `app.services`."""

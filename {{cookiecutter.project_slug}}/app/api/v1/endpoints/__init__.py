"""Endpoints: declare parameters and responses, delegate to a service, return its result."""

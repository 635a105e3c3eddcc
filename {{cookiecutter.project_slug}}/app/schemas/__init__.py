"""Schemas: request and response bodies. Their names become the type names of clients."""

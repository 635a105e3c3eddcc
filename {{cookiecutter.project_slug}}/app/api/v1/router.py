"""Routers of version 1."""

from app.api.v1.endpoints import auth, items, users

# The app includes each of them: FastAPI would match the routes of a router of routers twice.
api_routers = [
    auth.router,
    users.router,
    items.router,
]

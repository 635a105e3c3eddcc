"""Routers of version 1."""

from fastapi import APIRouter

from app.api.v1.endpoints import auth, items, users

api_router = APIRouter()
for endpoints in (auth, users, items):
    api_router.include_router(endpoints.router)

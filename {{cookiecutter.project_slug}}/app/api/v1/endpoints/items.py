"""Endpoints of items: one's own, or everyone's for superusers."""

from typing import Annotated, Any

from fastapi import Depends, Query

from app.api.openapi import problems
from app.api.pagination import PAGE_RESPONSES, Paging
from app.api.routing import CollectionRouter
from app.core.exceptions import ConcurrentChangeError
from app.dependencies import CurrentUser, DbSession
from app.models import Item
from app.schemas.item import ItemCreate, ItemFilters, ItemRead, ItemUpdate
from app.schemas.types import Id
from app.services.item_service import ItemNotFoundError, ItemService

router = CollectionRouter(prefix="/items", tags=["items"])


async def get_item_service(db: DbSession, user: CurrentUser) -> ItemService:
    """Return the item service of the user, who must be authenticated."""
    return ItemService(db, user)


Items = Annotated[ItemService, Depends(get_item_service)]


@router.get("/", response_model=list[ItemRead], responses=PAGE_RESPONSES)
async def list_items(
    filters: Annotated[ItemFilters, Query()], paging: Paging, items: Items
) -> list[Any]:
    """List your items; superusers see everyone's."""
    return paging.respond(await items.get_many(filters, paging.page))


@router.post("/", response_model=ItemRead, status_code=201)
async def create_item(item_in: ItemCreate, items: Items) -> Item:
    """Create an item that belongs to you."""
    return await items.create(item_in)


@router.get("/{item_id}", response_model=ItemRead, responses=problems(ItemNotFoundError))
async def get_item(item_id: Id, items: Items) -> Item:
    """Return an item."""
    return await items.get_by_id(item_id)


@router.patch(
    "/{item_id}",
    response_model=ItemRead,
    responses=problems(ItemNotFoundError, ConcurrentChangeError),
)
async def update_item(item_id: Id, item_in: ItemUpdate, items: Items) -> Item:
    """Update an item."""
    return await items.update(item_id, item_in)


@router.delete(
    "/{item_id}", status_code=204, responses=problems(ItemNotFoundError, ConcurrentChangeError)
)
async def delete_item(item_id: Id, items: Items) -> None:
    """Delete an item."""
    await items.delete(item_id)

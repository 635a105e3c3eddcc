"""Endpoints of items: one's own, or everyone's for superusers."""

from app.api.openapi import problems
from app.api.pagination import LINK_HEADER, PageQuery
from app.api.routing import CollectionRouter
from app.core.exceptions import ConcurrentChangeError, ItemNotFoundError
from app.dependencies import Id, Items
from app.models import Item
from app.schemas.item import ItemCreate, ItemRead, ItemUpdate

router = CollectionRouter(prefix="/items", tags=["items"])


@router.get("/", response_model=list[ItemRead], responses=LINK_HEADER)
async def list_items(page: PageQuery, items: Items) -> list[Item]:
    """List your items, oldest first; superusers see everyone's."""
    return page.link_next(await items.get_many(page.params))


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

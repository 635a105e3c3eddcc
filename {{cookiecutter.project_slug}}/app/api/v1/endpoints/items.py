"""Items: one's own, and everyone's for superusers."""

from app.api.documentation import problems
from app.api.paging import LINKED, Paging
from app.api.routing import CollectionRouter
from app.core.exceptions import ItemNotFoundError, RaceError
from app.dependencies import Id, Items
from app.models import Item
from app.schemas.item import ItemCreate, ItemRead, ItemUpdate

router = CollectionRouter(prefix="/items", tags=["items"])


@router.get("/", response_model=list[ItemRead], responses=LINKED)
async def list_items(paging: Paging, items: Items) -> list[Item]:
    """List your items, oldest first; superusers see everyone's."""
    return paging.cut(await items.get_many(paging.page))


@router.post("/", response_model=ItemRead, status_code=201)
async def create_item(item_in: ItemCreate, items: Items) -> Item:
    """Add an item of your own."""
    return await items.create(item_in)


@router.get("/{item_id}", response_model=ItemRead, responses=problems(ItemNotFoundError))
async def get_item(item_id: Id, items: Items) -> Item:
    """Return an item."""
    return await items.get_by_id(item_id)


@router.patch(
    "/{item_id}", response_model=ItemRead, responses=problems(ItemNotFoundError, RaceError)
)
async def update_item(item_id: Id, item_in: ItemUpdate, items: Items) -> Item:
    """Update an item."""
    return await items.update(item_id, item_in)


@router.delete("/{item_id}", status_code=204, responses=problems(ItemNotFoundError, RaceError))
async def delete_item(item_id: Id, items: Items) -> None:
    """Delete an item."""
    await items.delete(item_id)

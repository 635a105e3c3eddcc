"""Resources, and bodies of requests that make new objects of them."""

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import transaction
from app.models import User
from app.schemas.base import WriteSchema


class Reference(str):
    """In a body: the id of a new object of another resource, whose key in a table this is."""

    __slots__ = ()


class Shared(NamedTuple):
    """A resource that every user reads and superusers write: path, body, and its service."""

    path: str
    body: Any
    service: Callable[[AsyncSession, User], Any]
    schema: type[WriteSchema]


# Resources that users own: the name of the id, the path, and a body for POST and PATCH.
OWNED: dict[str, tuple[str, Any]] = {
    "item_id": ("/items/", {"title": "X"}),
}
SHARED: dict[str, Shared] = {}
numbers = count(1)


def path_of(reference: str) -> str:
    """Return the path of the resource to which a body refers."""
    return OWNED[reference][0] if reference in OWNED else SHARED[reference].path


async def prepare(client: AsyncClient, body: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a body that the client can send.

    References become ids of new objects, and functions of a number new values.
    """
    if not isinstance(body, dict):
        return body
    prepared = dict(body)
    for name, value in body.items():
        if isinstance(value, Reference):
            prepared[name] = await create_id(client, value)
        elif callable(value):
            prepared[name] = value(next(numbers))
    return prepared


async def create_id(client: AsyncClient, name: str) -> int:
    """Return the id of a new object, which the client owns unless its resource is shared."""
    if name in SHARED:
        _, body, service, schema = SHARED[name]
        body_in = schema.model_validate(await prepare(client, body))
        async with transaction() as db:
            created = await service(db, User(is_superuser=True)).create(body_in)
        return int(created.id)
    path, body = OWNED[name]
    response = await client.post(path, json=await prepare(client, body))
    return int(response.json().get("id", 1))  # any id, if the client may not create one

"""Resources that users own, and bodies of requests that make new objects of them."""

from itertools import count
from typing import Any

from httpx2 import AsyncClient


class Reference(str):
    """In a body: the id of a new object of another resource, whose key in `OWNED` this is."""

    __slots__ = ()


# The name of the id, the path, and a body for POST and PATCH.
OWNED: dict[str, tuple[str, Any]] = {
    "item_id": ("/items/", {"title": "X"}),
}
numbers = count(1)


async def prepare(client: AsyncClient, body: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a body that the client can send.

    References become ids of new objects of this client, and functions of a number new values.
    """
    if not isinstance(body, dict):
        return body
    prepared = dict(body)
    for name, value in body.items():
        if isinstance(value, Reference):
            path, parent = OWNED[value]
            response = await client.post(path, json=await prepare(client, parent))
            prepared[name] = response.json().get("id", 1)
        elif callable(value):
            prepared[name] = value(next(numbers))
    return prepared

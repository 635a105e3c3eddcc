"""Lists, a page at a time."""

from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Query, Request, Response

from app.schemas.base import PageParams

LINKED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Link": {"description": "The next page", "schema": {"type": "string"}}}}
}


class HasId(Protocol):
    """A row that a page can begin after."""

    @property
    def id(self) -> Any:  # noqa: ANN401 - of the class it is a column, of a row a number
        """Return its id."""


Row = TypeVar("Row", bound=HasId)


class Pager:
    """The page that a request asks for, and the link to the next one (RFC 8288)."""

    def __init__(
        self, request: Request, response: Response, page: Annotated[PageParams, Query()]
    ) -> None:
        self.page = page
        self._request = request
        self._response = response

    def cut(self, rows: list[Row]) -> list[Row]:
        """Return the rows of the page; if there was one more, link to the next page."""
        rows, more = rows[: self.page.limit], rows[self.page.limit :]
        if more:
            following = f"after={rows[-1].id}&limit={self.page.limit}"
            self._response.headers["Link"] = f'<{self._request.url.path}?{following}>; rel="next"'
        return rows


Paging = Annotated[Pager, Depends()]

"""Pagination of lists: `skip`, `limit`, `after`, and the Link header of the next page."""

from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Query, Request, Response

from app.schemas.base import PageParams

LINK_HEADER: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Link": {"description": "The next page", "schema": {"type": "string"}}}}
}


class HasId(Protocol):
    """A row with an id."""

    @property
    def id(self) -> Any:  # noqa: ANN401 - a column on the class, an int on a row
        """Id of the row."""


Row = TypeVar("Row", bound=HasId)


class Page:
    """The page that a request asks for, and its response headers."""

    def __init__(self, request: Request, response: Response, params: PageParams) -> None:
        self.params = params
        self._request = request
        self._response = response

    def link_next(self, rows: list[Row]) -> list[Row]:
        """Return the rows of the page; if there is one more, link to the next page (RFC 8288)."""
        rows, more = rows[: self.params.limit], rows[self.params.limit :]
        if more:
            url = self._request.url.remove_query_params("skip")
            url = url.include_query_params(after=rows[-1].id, limit=self.params.limit)
            self._response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return rows


async def get_page(
    request: Request, response: Response, params: Annotated[PageParams, Query()]
) -> Page:
    """Return the requested page."""
    return Page(request, response, params)


PageQuery = Annotated[Page, Depends(get_page)]

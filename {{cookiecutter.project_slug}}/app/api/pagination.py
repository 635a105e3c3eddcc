"""Pagination of lists: the parameters of a page, and the headers that lead to the next one."""

from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response

from app.api.openapi import Responses, problems
from app.core.exceptions import InvalidCursorError
from app.core.ids import MAX_ID
from app.db.pagination import Page, PageRequest

PAGE_RESPONSES: Responses = problems(InvalidCursorError) | {
    200: {
        "headers": {
            "Link": {"description": "URL of the next page", "schema": {"type": "string"}},
            "X-Total-Count": {"description": "With `count`", "schema": {"type": "integer"}},
        }
    }
}

MAX_CURSOR_LENGTH = 4000  # characters: more than a title of 200 characters needs in base64
Row = TypeVar("Row")

After = Annotated[
    str,
    Query(max_length=MAX_CURSOR_LENGTH, description="Cursor of the previous page: use its `Link`"),
]
Skip = Annotated[int, Query(ge=0, le=MAX_ID, description="Number of rows to skip")]
Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of rows")]
Count = Annotated[bool, Query(description="Return the number of all rows in `X-Total-Count`")]


class Pagination:
    """The page that a request asks for, and the headers of its response."""

    def __init__(self, request: Request, response: Response, page: PageRequest) -> None:
        self.page = page
        self._request = request
        self._response = response

    def respond(self, page: Page[Row]) -> list[Row]:
        """Return the rows of a page; link to the next one (RFC 8288), and keep all parameters."""
        if page.next_cursor is not None:
            sent = self._request.query_params.multi_items()
            kept = [(name, value) for name, value in sent if name not in {"after", "skip"}]
            query = urlencode([*kept, ("after", page.next_cursor)])
            self._response.headers["Link"] = f'<{self._request.url.path}?{query}>; rel="next"'
        if page.total is not None:
            self._response.headers["X-Total-Count"] = str(page.total)
        return page.rows


async def get_pagination(  # noqa: PLR0913 - the parameters of the request
    *,
    request: Request,
    response: Response,
    after: After = "",
    skip: Skip = 0,
    limit: Limit = 100,
    count: Count = False,
) -> Pagination:
    """Return the requested page."""
    return Pagination(request, response, PageRequest(after, skip, limit, count))


Paging = Annotated[Pagination, Depends(get_pagination)]

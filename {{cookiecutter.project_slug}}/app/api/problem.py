"""Problem documents (RFC 9457, `application/problem+json`): the body of every error response."""

from collections.abc import Mapping
from http.client import responses

from fastapi.responses import JSONResponse

from app.core.app_error import AppError
from app.schemas.problem import InvalidParam, ProblemDetails

PROBLEM_MEDIA_TYPE = "application/problem+json"

MAX_NAME_LENGTH = 100  # characters

# RFC 9110's phrases where Python 3.12 and older have those of an obsolete RFC.
PHRASES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


def phrase(status: int) -> str:
    """Return the phrase of a status, the same on every version of Python."""
    return PHRASES.get(status) or responses.get(status, "Unknown Status")


def problem_response(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[InvalidParam] | None = None,
) -> JSONResponse:
    """Return an error response with a problem document."""
    problem = ProblemDetails(
        title=phrase(status), status=status, code=code, detail=detail, errors=errors
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers, media_type=PROBLEM_MEDIA_TYPE)


def encodable(text: str) -> str:
    """Replace lone surrogates, which a client may send, but a response cannot encode."""
    return text.encode(errors="replace").decode()


def short_name(name: str) -> str:
    """Return the name of a field as an error repeats it: the client may send a long one."""
    return encodable(name[:MAX_NAME_LENGTH])


def app_error_response(error: AppError) -> JSONResponse:
    """Return the error response of an application error."""
    return problem_response(error.status, error.code, error.detail, error.headers)

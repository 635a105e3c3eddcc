"""Pages for development: links at `/`, the emails that were sent, and where their links lead."""

import re
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from app.config import settings
from app.core.email import outbox

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; script-src 'self'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
# Read at import: reading a file would block the event loop.
FOLDER = Path(__file__).parent
PAGE = Template((FOLDER / "page.html").read_text(encoding="utf-8"))
SCRIPT = (FOLDER / "form.js").read_text(encoding="utf-8")


class Form(NamedTuple):
    """What the front end does with a link of an email."""

    title: str
    path: str
    field: str = ""


FORMS = {
    "verify": Form("Verify the email", "/auth/email/verify", "current_password"),
    "undo": Form("Undo the change of email", "/auth/email/undo"),
    "reset": Form("Set a new password", "/auth/password/reset", "new_password"),
    "forgot": Form("Request a reset email", "/auth/password/forgot", "email"),
}


def mount_development_pages(app: FastAPI) -> None:
    """Serve the pages; for development only, because emails contain secret tokens."""
    router = APIRouter(prefix="/dev", include_in_schema=False)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> HTMLResponse:
        prefix = request.scope.get("root_path", "")
        links = {"dev/emails": "Emails", "health/ready": "Health"}
        if settings.docs:
            links = {"docs": "API documentation"} | links
        items = [f'<li><a href="{escape(prefix)}/{path}">{links[path]}</a></li>' for path in links]
        return _page(settings.PROJECT_NAME, f"<ul>{''.join(items)}</ul>")

    @router.get("/emails")
    async def emails() -> HTMLResponse:
        articles = [_article(message) for message in reversed(outbox)]
        content = "\n".join(articles) or "<p>None since the start of the service.</p>"
        hint = "<p>Links lead to pages of this service, which stand in for a front end.</p>"
        page = _page("Emails", hint + content)
        page.headers["Refresh"] = "2"  # seconds: some are sent later than their response
        return page

    @router.get("/form.js")
    async def script() -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    for name, form in FORMS.items():
        router.add_api_route(f"/{name}", _form_page(form), name=f"dev_{name}")
    app.include_router(router)


def _page(title: str, content: str) -> HTMLResponse:
    return HTMLResponse(PAGE.substitute(title=escape(title), content=content), headers=HEADERS)


def _article(message: EmailMessage) -> str:
    """Return an email as HTML. Its links lead to the forms here, as there may be no front end."""
    body = message.get_body(("plain",))
    text = escape(body.get_content() if body else "")
    link = rf"{re.escape(escape(settings.FRONTEND_URL))}/(\S+)"
    linked = re.sub(link, r'<a href="\1">\g<0></a>', text)
    subject, recipient = escape(message["Subject"]), escape(message["To"])
    return f"<h2>{subject}</h2>\n<p>To {recipient}, {message['Date']}</p>\n<pre>{linked}</pre>"


def _form_page(form: Form) -> Callable[[], Awaitable[HTMLResponse]]:
    field = ""
    if form.field:
        kind = "password" if "password" in form.field else "email"
        label = form.field.replace("_", " ").capitalize()
        field = f'<label>{label} <input name="{form.field}" type="{kind}" required></label>'
    url = f"..{settings.API_V1_PREFIX}{form.path}"
    content = f"""<form data-url="{escape(url)}">{field}<button>{form.title}</button></form>
<output></output><p><a href="emails">Emails</a></p><script src="form.js"></script>"""

    async def page() -> HTMLResponse:
        return _page(form.title, content)

    return page

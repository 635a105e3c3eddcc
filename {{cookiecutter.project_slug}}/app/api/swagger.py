"""Swagger UI at `/docs`, with assets of its own: no CDN, and a strict Content-Security-Policy."""

import json
from html import escape
from importlib.resources import as_file, files

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; "  # Swagger UI adds styles at run time
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <link rel="stylesheet" href="docs/assets/swagger-ui.css">
  <link rel="icon" href="docs/assets/favicon.png">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="docs/assets/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
"""
SCRIPT = "SwaggerUIBundle({options});\n"


def mount_swagger_ui(app: FastAPI) -> None:
    """Serve the page and its assets, and lead from `/` to it, where nothing else is."""
    router = APIRouter(prefix="/docs", include_in_schema=False)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> RedirectResponse:
        prefix = request.scope.get("root_path", "")
        return RedirectResponse(f"{prefix}/docs" if prefix else "docs")

    @router.get("")
    async def page() -> HTMLResponse:
        html = PAGE.format(title=escape(app.title))
        return HTMLResponse(html, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})

    @router.get("/start.js")
    async def script() -> Response:
        url = str(app.openapi_url).removeprefix("/")  # relative, also behind a path prefix
        options = {"url": url, "dom_id": "#swagger-ui", "deepLinking": True}
        return Response(SCRIPT.format(options=json.dumps(options)), media_type="text/javascript")

    app.include_router(router)
    with as_file(files(fastapi_offline) / "static") as folder:
        app.mount("/docs/assets", StaticFiles(directory=folder))
    app.openapi()  # built now: later, it would block the event loop in a request

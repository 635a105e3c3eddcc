"""`/docs`, from our own server: it works without internet, and under a strict content policy."""

import json
import mimetypes
from html import escape
from importlib.resources import as_file, files

import fastapi_offline
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; "  # Swagger UI styles as it goes
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
START = "SwaggerUIBundle({options});\n"


def include(app: FastAPI) -> None:
    """Serve the page, and all that it is made of."""
    router = APIRouter(prefix="/docs", include_in_schema=False)

    @router.get("")
    async def page() -> HTMLResponse:
        html = PAGE.format(title=escape(app.title))
        return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})

    @router.get("/start.js")
    async def start() -> Response:
        options = {"url": app.openapi_url, "dom_id": "#swagger-ui", "deepLinking": True}
        return Response(START.format(options=json.dumps(options)), media_type="text/javascript")

    app.include_router(router)
    with as_file(files(fastapi_offline) / "static") as folder:
        app.mount("/docs/assets", StaticFiles(directory=folder))
    mimetypes.init()  # it reads files the first time, as does the document: not in a request
    app.openapi()

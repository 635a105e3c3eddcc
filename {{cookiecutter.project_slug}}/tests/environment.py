"""The environment of the tests: without what the shell of the developer exports."""

import os
import re
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "app" / "config.py"
SETTING = re.compile(r"^    ([A-Z][A-Z0-9_]*): ", re.MULTILINE)
# Read by libraries: proxies, exporters, servers, locales that are not installed, widths of
# terminals and, if tests start their own server, PostgreSQL.
AMBIENT = re.compile(
    r"(?i:.*_proxy)|OTEL_.*|UVICORN_.*|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS|FASTAPI_.*"
    r"|LANG|LANGUAGE|LC_.*|COLUMNS|LINES"
)


def remove_ambient_settings() -> None:
    """Remove the settings of the service from the environment, and those of its libraries."""
    settings = set(SETTING.findall(CONFIG.read_text(encoding="utf-8")))
    is_server_ours = not os.environ.get("TEST_DATABASE_URL")
    for name in list(os.environ):
        is_ours = is_server_ours and name.startswith("PG")
        if name in settings or AMBIENT.fullmatch(name) or is_ours:
            del os.environ[name]
    os.environ["ENV_FILE"] = os.devnull  # the developer's .env is not for tests

"""Write the OpenAPI document to `openapi.json`, without a server: `python -m scripts.openapi`."""

import json
from pathlib import Path

from app.main import app

FILE = Path("openapi.json")

if __name__ == "__main__":
    FILE.write_text(json.dumps(app.openapi(), indent=2) + "\n", encoding="utf-8")

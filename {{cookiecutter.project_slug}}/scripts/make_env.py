"""Write `.env` from `.env.example`, with generated secrets, unless it exists."""

import secrets
from pathlib import Path

ENV = Path(".env")
PLACEHOLDER = "<secret>"


def main() -> None:
    """Write the file, readable by its owner only."""
    if ENV.exists():
        return
    lines = Path(".env.example").read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#"))
    while PLACEHOLDER in text:
        text = text.replace(PLACEHOLDER, secrets.token_hex(32), 1)
    ENV.touch(mode=0o600, exist_ok=False)
    ENV.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write `.env` from `.env.example`, with secrets of its own, unless there is one already."""

import os
from pathlib import Path

PLACEHOLDER = "<secret>"


def main() -> None:
    """Write the file, for its owner's eyes only."""
    env = Path(".env")
    if env.exists():
        return
    text = Path(".env.example").read_text(encoding="utf-8")
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    while PLACEHOLDER in text:
        text = text.replace(PLACEHOLDER, os.urandom(32).hex(), 1)
    env.touch(mode=0o600)
    env.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

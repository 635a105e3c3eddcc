"""Write `.env` from `.env.example`, with secrets of its own, unless there is one already."""

import os

PLACEHOLDER = "<secret>"


def main() -> None:
    """Write the file, for its owner's eyes only."""
    if os.path.exists(".env"):
        return
    with open(".env.example", encoding="utf-8") as example:
        text = "".join(line for line in example if not line.startswith("#"))
    while PLACEHOLDER in text:
        text = text.replace(PLACEHOLDER, os.urandom(32).hex(), 1)
    with open(
        os.open(".env", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
    ) as env:
        env.write(text)


if __name__ == "__main__":
    main()

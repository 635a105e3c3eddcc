"""Password policy: all rules for a new password."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from app.config import settings
from app.core.exceptions import GuessablePasswordError

MAX_PASSWORD_LENGTH = 100  # characters; `PASSWORD_MIN_LENGTH` is a setting
MIN_HINT_LENGTH = 4  # characters; shorter words occur in good passwords by chance

COMMON_PASSWORDS = frozenset(
    (Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split()
)


def is_text(password: str) -> bool:
    """Return whether the password has no control characters and no lone surrogates."""
    return all(unicodedata.category(character) not in {"Cc", "Cs"} for character in password)


RULES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("must not contain control characters", is_text),
    ("must contain an uppercase letter", lambda password: any(map(str.isupper, password))),
    ("must contain a lowercase letter", lambda password: any(map(str.islower, password))),
    ("must contain a digit", lambda password: any(map(str.isdecimal, password))),
    ("is too common", lambda password: password.lower() not in COMMON_PASSWORDS),
)


def find_violation(password: str) -> str | None:
    """Return the first rule that the password breaks, as a phrase such as "is too common"."""
    if not settings.PASSWORD_MIN_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        return f"must have {settings.PASSWORD_MIN_LENGTH} to {MAX_PASSWORD_LENGTH} characters"
    return next((phrase for phrase, is_satisfied in RULES if not is_satisfied(password)), None)


def reject_guessable(password: SecretStr, email: str, full_name: str) -> None:
    """Reject a password that contains the email or name of its owner, or the name of the service.

    Raises:
        GuessablePasswordError: if it does.
    """
    local_part = email.split("@", maxsplit=1)[0]
    hints = [email, local_part, full_name, *full_name.split(), settings.PROJECT_NAME]
    words = [word for hint in hints if len(word := _fold(hint)) >= MIN_HINT_LENGTH]
    if any(word in _fold(password.get_secret_value()) for word in words):
        raise GuessablePasswordError


def _fold(text: str) -> str:
    """Return the letters and digits alone, without differences of case or compatibility."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))

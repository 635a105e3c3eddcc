"""Password policy: the rules for a new password. The one file to change for another policy."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

MIN_PASSWORD_LENGTH = 8  # characters
MAX_PASSWORD_LENGTH = 100
MIN_HINT_LENGTH = 4  # characters; shorter words occur in good passwords by chance

COMMON_PASSWORDS = frozenset(
    (Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split()
)


def is_text(password: str) -> bool:
    """Return whether it has neither control characters nor lone surrogates."""
    return all(unicodedata.category(character) not in {"Cc", "Cs"} for character in password)


RULES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (
        f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters",
        lambda password: MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH,
    ),
    ("must not contain control characters", is_text),
    ("must contain an uppercase letter", lambda password: any(map(str.isupper, password))),
    ("must contain a lowercase letter", lambda password: any(map(str.islower, password))),
    ("must contain a digit", lambda password: any(map(str.isdecimal, password))),
    ("is too common", lambda password: password.lower() not in COMMON_PASSWORDS),
)


def find_violation(password: str) -> str | None:
    """Return the first rule that the password breaks, as a phrase such as "is too common"."""
    return next((phrase for phrase, is_satisfied in RULES if not is_satisfied(password)), None)


def contains_any(password: str, *hints: str) -> bool:
    """Return whether the password contains one of the words that are known about its owner."""
    words = [folded for hint in hints if len(folded := _fold(hint)) >= MIN_HINT_LENGTH]
    return any(word in _fold(password) for word in words)


def _fold(text: str) -> str:
    """Return the letters and digits alone, without differences of case or compatibility."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))

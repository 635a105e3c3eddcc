"""Names of a resource, in every form in which code and texts have them."""

import keyword
import re
from typing import NamedTuple

MAX_LENGTH = 30  # characters: the lines with a name have to fit
MAX_CONSTRAINT_LENGTH = 63  # bytes: of names in PostgreSQL
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class ResourceError(Exception):
    """A resource cannot be added or removed; the message says why."""


class Names(NamedTuple):
    """Singular and plural in snake case: `order_line`, `order_lines`."""

    singular: str
    plural: str

    @classmethod
    def parse(cls, singular: str, plural: str = "") -> "Names":
        """Check the names; without a plural, that of regular English nouns is used.

        Raises:
            ResourceError: if one of them is no name.
        """
        names = cls(check_name(singular), check_name(plural or _pluralize(singular)))
        if names.singular.startswith("test"):
            message = f"{singular!r} begins with test: pytest would take its classes for tests."
            raise ResourceError(message)
        if names.singular == names.plural:
            message = f"Singular and plural of {singular} are the same: add plural=…"
            raise ResourceError(message)
        return names

    @property
    def words(self) -> "Names":
        """Names in prose: order line, order lines."""
        return self.forms()["words"]

    @property
    def camel(self) -> str:
        """Name of the class: OrderLine."""
        return camel(self.singular)

    @property
    def path(self) -> str:
        """Path of the collection: /order-lines/."""
        return f"/{self.plural.replace('_', '-')}/"

    def forms(self) -> dict[str, "Names"]:
        """Return the names by form."""
        return {form: Names(*map(write, self)) for form, write in FORMS.items()}


def camel(name: str) -> str:
    """Return a name in camel case, as classes have it."""
    return "".join(part.title() for part in name.split("_"))


FORMS = {
    "snake": lambda name: name,
    "upper": str.upper,
    "camel": camel,
    "kebab": lambda name: name.replace("_", "-"),
    "words": lambda name: name.replace("_", " "),
    "sentence": lambda name: name.replace("_", " ").capitalize(),
}


def check_name(name: str) -> str:
    """Return a name in snake case.

    Raises:
        ResourceError: if it is not, or is a keyword.
    """
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name: write it in snake case, such as order_line."
        raise ResourceError(message)
    if len(name) > MAX_LENGTH:
        message = f"{name!r} is longer than {MAX_LENGTH} characters."
        raise ResourceError(message)
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        message = f"{name!r} is a keyword of Python."
        raise ResourceError(message)
    return name


def is_name(text: str) -> bool:
    """Return whether a text can be a name."""
    is_keyword = keyword.iskeyword(text) or keyword.issoftkeyword(text)
    return bool(NAME.fullmatch(text)) and len(text) <= MAX_LENGTH and not is_keyword


def _pluralize(name: str) -> str:
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search(r"(s|x|z|ch|sh)$", name) else f"{name}s"


class Renamer:
    """Replaces the names of one resource by those of another, in code and in prose."""

    def __init__(self, old: Names, new: Names) -> None:
        self.old = old
        self.new = new.forms()
        self.number = {
            name: number for names in old.forms().values() for number, name in enumerate(names)
        }
        longest_first = sorted(self.number, key=len, reverse=True)
        names = "|".join(map(re.escape, longest_first))
        self.pattern = re.compile(rf"(?:\b([Aa]n?) )?(?<![A-Za-z])({names})(?![a-z])")

    def rename(self, text: str, *, is_prose: bool = False) -> str:
        """Return the text with the new names."""

        def replace(match: re.Match[str]) -> str:
            written, name = match.groups()
            before, after = text[: match.start(2)], text[match.end(2) :]
            new = self.new[_form(name, before, after, is_prose=is_prose)][self.number[name]]
            return f"{article(written, new)} {new}" if written else new

        return self.pattern.sub(replace, text)


def _form(name: str, before: str, after: str, *, is_prose: bool) -> str:
    """Return the form of a name, which the text around it tells if the name has one word."""
    is_code = not is_prose or before.count("`") % 2 or before.endswith("_") or after[:1] == "_"
    if name.isupper():
        return "upper"
    if name[0].isupper():
        return "camel" if is_code or after[:1].isupper() else "sentence"
    if before.endswith("/") or "-" in name:
        return "kebab"
    return "snake" if is_code or "_" in name else "words"


def article(written: str, word: str) -> str:
    """Return "a" or "an", or with a capital, as a word needs it."""
    is_vowel = word[0].lower() in "aeio" or re.match(r"u(?!ni|se|s[ae]|t[ei])", word.lower())
    return written[0] + ("n" if is_vowel else "")

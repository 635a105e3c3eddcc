"""Application errors: base class of all errors that become problem documents."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar


def snake_case(name: str) -> str:
    """Return a class name or phrase as a problem code: `EmailTakenError` is `email_taken`."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name.removesuffix("Error"))
    return "_".join(words).lower()


class AppError(Exception):
    """An error that the client is meant to read, with status, code, detail and headers.

    The code is the name of the class in snake case without "Error": `email_taken`. It is part of
    the public contract, so renaming a class is a breaking change.
    """

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    detail: str
    headers: Mapping[str, str] = MappingProxyType({})

    def __init_subclass__(cls) -> None:
        """Derive the code from the name of the class."""
        super().__init_subclass__()
        cls.code = snake_case(cls.__name__)

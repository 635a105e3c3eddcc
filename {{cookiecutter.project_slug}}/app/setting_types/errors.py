"""The error of a rejected setting."""

from pydantic_core import PydanticCustomError


def invalid(message: str) -> PydanticCustomError:
    """Return the error of a rejected setting; a ValueError would prefix its message."""
    return PydanticCustomError("invalid_setting", "{message}", {"message": message})

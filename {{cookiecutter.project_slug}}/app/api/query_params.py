"""Unknown query parameters: rejected, because a misspelled filter would select every row.

A parameter is known if the route or one of its dependencies declares it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import APIKey, APIKeyIn
from pydantic import AliasChoices, AliasPath, BaseModel

ANY_NAME = "*"  # of a model with `extra="allow"`


def reject_unknown(request: Request, known: Iterable[str]) -> None:
    """Reject a request that has other query parameters.

    Raises:
        RequestValidationError: which lists the known ones.
    """
    names = set(known)
    unknown = [name for name in request.query_params if name not in names]
    if unknown and ANY_NAME not in names:
        allowed = f"known are: {', '.join(sorted(names))}" if names else "there are none"
        message = f"is not a parameter of this operation; {allowed}"
        raise RequestValidationError(
            [{"type": "unknown", "loc": ("query", name), "msg": message} for name in unknown]
        )


def declared_names(dependant: Dependant) -> Iterator[str]:
    """Yield the query parameters of an endpoint or dependency and of its dependencies."""
    for field in dependant.query_params:
        yield from _names(field.alias, field.field_info)
    scheme = getattr(dependant.call, "model", None)
    if isinstance(scheme, APIKey) and scheme.in_ is APIKeyIn.query:
        yield scheme.name
    for dependency in dependant.dependencies:
        yield from declared_names(dependency)


def _names(name: str, info: Any) -> Iterator[str]:  # noqa: ANN401 - Pydantic's FieldInfo
    """Yield the names of a parameter or, if it is a model, of the model's fields."""
    types = (info.annotation, *get_args(info.annotation))
    models = [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]
    for model in models:
        for field, field_info in model.model_fields.items():
            yield from _aliases(field, field_info.validation_alias or field_info.alias)
        if model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name"):
            yield from model.model_fields
        if model.model_config.get("extra") == "allow":
            yield ANY_NAME
    if not models:
        yield from _aliases(name, info.validation_alias or info.alias)


def _aliases(name: str, alias: str | AliasPath | AliasChoices | None) -> Iterator[str]:
    match alias:
        case AliasChoices():
            for choice in alias.choices:
                yield from _aliases(name, choice)
        case AliasPath():
            yield str(alias.path[0])
        case _:
            yield alias or name

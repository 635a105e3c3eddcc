"""Query parameters and form fields: those that an operation declares, each of them once.

A misspelled filter would select every row, and of a repeated parameter a proxy could check another
value than the service uses. A parameter is known if the route or one of its dependencies declares
it; it may be repeated if it is declared as a list.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import APIKey, APIKeyIn
from pydantic import AliasChoices, AliasPath, BaseModel
from starlette.datastructures import FormData, ImmutableMultiDict, QueryParams

ANY_NAME = "*"  # of a model with `extra="allow"`
Declared = Mapping[str, bool]  # names, and whether each may be repeated
DeclaredParams = Callable[[Dependant], Iterator[tuple[str, bool]]]


def check_query(query: QueryParams, declared: Declared) -> None:
    """Reject query parameters that are not declared, or were sent more than once.

    Raises:
        RequestValidationError: which lists the declared ones.
    """
    unknown = [] if ANY_NAME in declared else [name for name in query if name not in declared]
    known = f"known are: {', '.join(sorted(declared))}" if declared else "there are none"
    _reject("query", unknown, "unknown", f"is not a parameter of this operation; {known}")
    _reject_repeated("query", query, declared)


def check_form(form: FormData, declared: Declared) -> None:
    """Reject form fields that were sent more than once.

    Raises:
        RequestValidationError: which lists them.
    """
    _reject_repeated("body", form, declared)


def declared_query_params(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the query parameters of an endpoint or dependency and of its dependencies."""
    for field in dependant.query_params:
        yield from _names(field.alias, field.field_info)
    scheme = getattr(dependant.call, "model", None)
    if isinstance(scheme, APIKey) and scheme.in_ is APIKeyIn.query:
        yield scheme.name, False
    for dependency in dependant.dependencies:
        yield from declared_query_params(dependency)


def declared_form_fields(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the form fields of an endpoint or dependency and of its dependencies."""
    for field in dependant.body_params:
        yield from _names(field.alias, field.field_info)
    for dependency in dependant.dependencies:
        yield from declared_form_fields(dependency)


def _reject_repeated(where: str, params: ImmutableMultiDict[str, Any], declared: Declared) -> None:
    counts, others = Counter(name for name, _ in params.multi_items()), declared.get(ANY_NAME)
    repeated = [n for n, count in counts.items() if count > 1 and not declared.get(n, others)]
    _reject(where, repeated, "repeated", "must be sent once")


def _reject(where: str, names: Iterable[str], kind: str, message: str) -> None:
    if errors := [{"type": kind, "loc": (where, name), "msg": message} for name in names]:
        raise RequestValidationError(errors)


def _names(name: str, info: Any) -> Iterator[tuple[str, bool]]:  # noqa: ANN401 - Pydantic's FieldInfo
    """Yield the names of a parameter or, if it is a model, of the model's fields."""
    types = (info.annotation, *get_args(info.annotation))
    models = [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]
    for model in models:
        for field, field_info in model.model_fields.items():
            aliases = _aliases(field, field_info.validation_alias or field_info.alias)
            is_named = model.model_config.get("populate_by_name")
            is_named = is_named or model.model_config.get("validate_by_name")
            for alias in (*aliases, *([field] if is_named else [])):
                yield alias, _is_list(field_info.annotation)
        if model.model_config.get("extra") == "allow":
            yield ANY_NAME, True
    if not models:
        for alias in _aliases(name, info.validation_alias or info.alias):
            yield alias, _is_list(info.annotation)


def _is_list(annotation: object) -> bool:
    """Return whether values of the type are lists or sets, or may be: `list[int] | None`."""
    origins = [get_origin(t) or t for t in (annotation, *get_args(annotation))]
    classes = [o for o in origins if isinstance(o, type) and not issubclass(o, str | bytes)]
    return any(issubclass(c, Collection) for c in classes)


def _aliases(name: str, alias: str | AliasPath | AliasChoices | None) -> Iterator[str]:
    match alias:
        case AliasChoices():
            for choice in alias.choices:
                yield from _aliases(name, choice)
        case AliasPath():
            yield str(alias.path[0])
        case _:
            yield alias or name

"""Changes of the API: compares two OpenAPI documents, and tells which changes break clients.

A change is breaking if a request that was valid is rejected now, or if a response has what
clients do not expect. Unknown fields and parameters are rejected, so removing one is breaking.
"""

from typing import Any, NamedTuple

Document = dict[str, Any]
Schema = dict[str, Any]
NO_AUTHENTICATION = "no authentication"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
LOWER_LIMITS = "minLength", "minimum", "exclusiveMinimum", "minItems"
UPPER_LIMITS = "maxLength", "maximum", "exclusiveMaximum", "maxItems"


class Change(NamedTuple):
    """A change of an operation, in words."""

    operation: str
    text: str
    is_breaking: bool

    def __str__(self) -> str:
        """Return a line for people: ``GET /items/: response field `title` is now optional``."""
        return f"{self.operation}: {self.text}{': breaking' if self.is_breaking else ''}"


def compare(old: Document, new: Document) -> list[Change]:
    """Return the changes between two documents; descriptions, titles and examples do not count."""
    before, after = _operations(old), _operations(new)
    changes = [Change(name, "removed", is_breaking=True) for name in before.keys() - after]
    changes += [Change(name, "added", is_breaking=False) for name in after.keys() - before]
    for operation in before.keys() & after:
        comparison = _Comparison(operation, old, new)
        comparison.compare_operations(before[operation], after[operation])
        changes += comparison.changes
    return sorted(dict.fromkeys(changes))


def _operations(document: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document.get("paths", {}).items()
        for method, operation in item.items()
        if method in METHODS
    }


class _Values(NamedTuple):
    """Values that clients send or receive, for messages: ``response field `title` ``."""

    kind: str
    is_sent: bool
    path: str = ""

    def __str__(self) -> str:
        return f"{self.kind} `{self.path}`" if self.path else self.kind

    def field(self, name: str) -> "_Values":
        kind = self.kind.replace(" body", " field")
        return _Values(kind, self.is_sent, f"{self.path}.{name}".lstrip("."))

    def element(self) -> "_Values":
        return self._replace(path=f"{self.path}[]") if self.path else self


class _Comparison:
    """The changes of one operation."""

    def __init__(self, operation: str, old: Document, new: Document) -> None:
        self.operation = operation
        self.old = old
        self.new = new
        self.changes: list[Change] = []
        self.open: list[tuple[str, str]] = []  # schemas may refer to themselves

    def note(self, text: str, *, is_breaking: bool) -> None:
        self.changes.append(Change(self.operation, text, is_breaking))

    def compare_operations(self, before: Document, after: Document) -> None:
        was, is_now = before.get("operationId"), after.get("operationId")
        if was != is_now:
            self.note(f"`{was}` is now named `{is_now}`", is_breaking=True)
        self.compare_security(_schemes(before), _schemes(after))
        for place in ("path", "query", "header", "cookie"):
            values = _Values(f"{place} parameter", is_sent=True)
            self.compare_fields(_parameters(before, place), _parameters(after, place), values)
        self.compare_bodies(before.get("requestBody"), after.get("requestBody"))
        self.compare_responses(before["responses"], after["responses"])

    def compare_security(self, before: set[str], after: set[str]) -> None:
        if NO_AUTHENTICATION in before and NO_AUTHENTICATION not in after:
            self.note("requires authentication", is_breaking=True)
        elif NO_AUTHENTICATION in after and NO_AUTHENTICATION not in before:
            self.note("no longer requires authentication", is_breaking=False)
        else:
            for scheme in before - after:
                self.note(f"no longer accepts {scheme}", is_breaking=True)
            for scheme in after - before:
                self.note(f"accepts {scheme}", is_breaking=False)

    def compare_bodies(self, before: Document | None, after: Document | None) -> None:
        if before is None or after is None:
            if before or after:
                is_breaking = after is None or bool(after.get("required"))
                self.note(
                    f"request body {'added' if after else 'removed'}", is_breaking=is_breaking
                )
            return
        if before.get("required", False) != after.get("required", False):
            is_now = bool(after.get("required"))
            state = "required" if is_now else "optional"
            self.note(f"request body is now {state}", is_breaking=is_now)
        self.compare_contents(before, after, _Values("request body", is_sent=True))

    def compare_responses(self, before: Document, after: Document) -> None:
        for status in before.keys() ^ after.keys():
            is_success = status[0] in "23"
            verb = "removed" if status in before else "added"
            self.note(f"status {status} {verb}", is_breaking=is_success)
        for status in before.keys() & after.keys():
            self.compare_headers(status, before[status], after[status])
            kind = "response body" if status[0] in "23" else f"body of status {status}"
            self.compare_contents(before[status], after[status], _Values(kind, is_sent=False))

    def compare_headers(self, status: str, before: Document, after: Document) -> None:
        old, new = before.get("headers", {}), after.get("headers", {})
        for name in old.keys() ^ new.keys():
            verb = "removed" if name in old else "added"
            self.note(f"header {name} of status {status} {verb}", is_breaking=name in old)

    def compare_contents(self, before: Document, after: Document, values: _Values) -> None:
        old, new = before.get("content", {}), after.get("content", {})
        for media_type in old.keys() ^ new.keys():
            verb = "removed" if media_type in old else "added"
            self.note(f"{values} as {media_type} {verb}", is_breaking=media_type in old)
        for media_type in old.keys() & new.keys():
            was, is_now = (content[media_type].get("schema", {}) for content in (old, new))
            self.compare_schemas(was, is_now, values)

    def compare_schemas(self, before: Schema, after: Schema, values: _Values) -> None:
        pair = (str(before), str(after))
        if pair in self.open:
            return
        self.open.append(pair)
        self.compare_variants(before, after, values)
        self.open.pop()

    def compare_variants(self, before: Schema, after: Schema, values: _Values) -> None:
        old, new = _variants(before, self.old), _variants(after, self.new)
        self.compare_null("null" in old, "null" in new, values)
        old.pop("null", None)
        new.pop("null", None)
        self.compare_types(old.keys() - new.keys(), new.keys() - old.keys(), values)
        for kind in old.keys() & new.keys():
            self.compare_values(old[kind], new[kind], values)

    def compare_null(self, was: bool, is_now: bool, values: _Values) -> None:  # noqa: FBT001 - a pair
        if was != is_now:
            verb = "can now" if is_now else "can no longer"
            self.note(f"{values} {verb} be null", is_breaking=is_now != values.is_sent)

    def compare_types(self, removed: set[str], added: set[str], values: _Values) -> None:
        if len(removed) == len(added) == 1:
            (was,), (is_now,) = removed, added
            is_wider = values.is_sent and (was, is_now) == ("integer", "number")
            self.note(f"{values} is now {is_now}, was {was}", is_breaking=not is_wider)
            return
        for kind in removed:
            self.note(f"{values} can no longer be {kind}", is_breaking=values.is_sent)
        for kind in added:
            self.note(f"{values} can now be {kind}", is_breaking=not values.is_sent)

    def compare_values(self, before: Schema, after: Schema, values: _Values) -> None:
        self.compare_choices(_choices(before), _choices(after), values)
        if values.is_sent:
            self.compare_limits(before, after, values)
        self.compare_fields(before, after, values)
        for part in ("items", "additionalProperties"):
            if isinstance(before.get(part), dict) and isinstance(after.get(part), dict):
                self.compare_schemas(before[part], after[part], values.element())
        pairs = zip(before.get("prefixItems", ()), after.get("prefixItems", ()), strict=False)
        for was, is_now in pairs:
            self.compare_schemas(was, is_now, values.element())

    def compare_choices(self, old: set[str], new: set[str], values: _Values) -> None:
        if not old or not new:
            if old or new:
                is_narrower = bool(new)
                state = "limited to" if new else "no longer limited to"
                choices = ", ".join(sorted(new or old))
                self.note(
                    f"{values} is {state} {choices}", is_breaking=is_narrower == values.is_sent
                )
            return
        for choice in old ^ new:
            verb = "can no longer" if choice in old else "can now"
            is_breaking = (choice in old) == values.is_sent
            self.note(f"{values} {verb} be {choice}", is_breaking=is_breaking)

    def compare_limits(self, before: Schema, after: Schema, values: _Values) -> None:
        for name in (*LOWER_LIMITS, *UPPER_LIMITS, "pattern", "default"):
            was, is_now = before.get(name), after.get(name)
            if was == is_now:
                continue
            if name in LOWER_LIMITS:
                is_breaking = is_now is not None and (was is None or is_now > was)
            elif name in UPPER_LIMITS:
                is_breaking = is_now is not None and (was is None or is_now < was)
            else:
                is_breaking = name == "default" or is_now is not None
            self.note(f"{name} of {values} is now {is_now}, was {was}", is_breaking=is_breaking)

    def compare_fields(self, before: Schema, after: Schema, values: _Values) -> None:
        old, new = before.get("properties", {}), after.get("properties", {})
        was_required, is_required = set(before.get("required", ())), set(after.get("required", ()))
        for name in old.keys() - new:
            self.note(f"{values.field(name)} removed", is_breaking=True)
        for name in new.keys() - old:
            is_breaking = values.is_sent and name in is_required
            kind = "required " if is_breaking else ""
            self.note(f"{kind}{values.field(name)} added", is_breaking=is_breaking)
        for name in old.keys() & new:
            field = values.field(name)
            if (name in was_required) != (name in is_required):
                state = "required" if name in is_required else "optional"
                is_breaking = (name in is_required) == values.is_sent
                self.note(f"{field} is now {state}", is_breaking=is_breaking)
            self.compare_schemas(old[name], new[name], field)


def _schemes(operation: Document) -> set[str]:
    """Return the ways to authenticate, by name and scopes."""
    requirements = operation.get("security") or [{}]
    return {
        " and ".join(" ".join([name, *scopes]) for name, scopes in requirement.items())
        or NO_AUTHENTICATION
        for requirement in requirements
    }


def _parameters(operation: Document, place: str) -> Schema:
    """Return the parameters as the schema of an object."""
    found = [p for p in operation.get("parameters", ()) if p.get("in") == place]
    return {
        "properties": {p["name"]: p.get("schema", {}) for p in found},
        "required": [p["name"] for p in found if p.get("required")],
    }


def _variants(schema: Schema, document: Document) -> dict[str, Schema]:
    """Return what a value may be, by type and format, without references."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _variants(document["components"]["schemas"][name], document)
    if parts := schema.get("allOf"):
        return _variants(_merge([_resolve(part, document) for part in parts]), document)
    union = schema.get("anyOf", schema.get("oneOf"))
    if union is None:
        types = schema.get("type", "any")
        names = [types] if isinstance(types, str) else types
        return {" ".join(filter(None, [name, schema.get("format")])): schema for name in names}
    default = {"default": schema["default"]} if "default" in schema else {}
    variants = [pair for part in union for pair in _variants(part, document).items()]
    kinds = [kind for kind, _ in variants]
    found: dict[str, Schema] = {}
    for number, (kind, variant) in enumerate(variants):
        is_unique = kinds.count(kind) == 1
        name = kind if is_unique else f"{kind} {variant.get('title', number)}"
        found[name] = variant | default
    return found


def _resolve(schema: Schema, document: Document) -> Schema:
    """Return a schema without a reference at its top."""
    if "$ref" not in schema:
        return schema
    return _resolve(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)


def _merge(parts: list[Schema]) -> Schema:
    """Return one schema that requires what all of them require."""
    merged: Schema = {}
    for part in parts:
        properties = merged.get("properties", {}) | part.get("properties", {})
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged |= part | {"properties": properties, "required": required}
    return merged


def _choices(schema: Schema) -> set[str]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {f"`{value}`" for value in values}

"""Changes of the API: compares two OpenAPI documents, and tells which changes break clients.

A change is breaking if a request that was valid is rejected now, or if a response has what
clients do not expect. Unknown fields and parameters are rejected, so removing one is breaking.
"""

from typing import Any, NamedTuple

Document = dict[str, Any]
Schema = dict[str, Any]
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
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
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
        self.compared: set[tuple[str, str, bool]] = set()  # schemas may refer to themselves

    def note(self, text: str, *, is_breaking: bool) -> None:
        self.changes.append(Change(self.operation, text, is_breaking))

    def compare_operations(self, before: Document, after: Document) -> None:
        if before["operationId"] != after["operationId"]:
            renamed = f"`{before['operationId']}` is now named `{after['operationId']}`"
            self.note(renamed, is_breaking=True)
        if bool(before.get("security")) != bool(after.get("security")):
            is_now = bool(after.get("security"))
            verb = "requires" if is_now else "no longer requires"
            self.note(f"{verb} authentication", is_breaking=is_now)
        for place in ("path", "query", "header", "cookie"):
            values = _Values(f"{place} parameter", is_sent=True)
            self.compare_fields(_parameters(before, place), _parameters(after, place), values)
        self.compare_bodies(before.get("requestBody"), after.get("requestBody"))
        self.compare_responses(before["responses"], after["responses"])

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
        key = (str(before), str(after), values.is_sent)
        if "$ref" in before and key in self.compared:
            return
        self.compared.add(key)
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
        if "items" in before and "items" in after:
            self.compare_schemas(before["items"], after["items"], values.element())

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


def _parameters(operation: Document, place: str) -> Schema:
    """Return the parameters as the schema of an object."""
    found = [p for p in operation.get("parameters", ()) if p["in"] == place]
    return {
        "properties": {p["name"]: p["schema"] for p in found},
        "required": [p["name"] for p in found if p.get("required")],
    }


def _variants(schema: Schema, document: Document) -> dict[str, Schema]:
    """Return what a value may be, by type and format, without references."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _variants(document["components"]["schemas"][name], document)
    if union := schema.get("anyOf", schema.get("oneOf")):
        found = [_variants(variant, document) for variant in union]
        default = {"default": schema["default"]} if "default" in schema else {}
        return {
            f"object {variant['title']}"
            if kind == "object" and "title" in variant
            else kind: variant | default
            for variants in found
            for kind, variant in variants.items()
        }
    return {" ".join(filter(None, [schema.get("type", "any"), schema.get("format")])): schema}


def _choices(schema: Schema) -> set[str]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return {f"`{value}`" for value in values}

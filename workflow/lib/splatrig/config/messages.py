"""Error messages of the configuration, in one sentence: the key, the value, what was expected, what to do."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from splatrig.io.errors import InputError

Schema = Mapping[str, Any]

_KINDS = {
    "object": "a section of keys",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
}
"""Names for users of the types of a JSON schema."""

_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "with {} or more items",
    "maxItems": "with {} or fewer items",
    "uniqueItems": "each of them once",
    "pattern": "matching {}",
    "minLength": "with {} or more characters",
}


def sentence_of(
    error: ValidationError, raw: Mapping[str, Any], model: type[BaseModel], where: str = "configuration"
) -> str:
    """Return one sentence for the mistake that `model` found in `raw`; of several, the one deepest in its sections.

    `where` names the text that was read.
    """
    found = [(_path(details["loc"], raw), details) for details in error.errors()]
    path, details = max(found, key=lambda item: len(item[0]))
    own = details.get("ctx", {}).get("error")
    if isinstance(own, InputError):
        return f"{where}, {own}"
    schema = model.model_json_schema()
    if details["type"] == "missing":
        return f"{where}, {_dotted(path)}: the key {details['loc'][-1]!r} is missing; add it."
    if details["type"] == "extra_forbidden":
        return f"{where}, {_unknown(path, _at(schema, path[:-1]))}"
    return f"{where}, {_unexpected(path, details, _at(schema, path), schema)}"


def accepted(schema: Schema, root: Schema) -> str:
    """Describe in words the values that a JSON schema accepts; `root` has the definitions that it refers to."""
    schema = _resolved(schema, root)
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(accepted(part, root) for part in schema["anyOf"])
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return _KINDS[schema["type"]] + (f" ({', '.join(bounds)})" if bounds else "")


def _path(location: Sequence[str | int], raw: Any) -> list[str | int]:
    """Return the keys and indices of an error's location, without entries that only name the attempted type."""
    path: list[str | int] = []
    for part in location:
        inside = part in raw if isinstance(raw, Mapping) else isinstance(raw, list) and isinstance(part, int)
        if inside:
            path.append(part)
            raw = raw[part]
    return path


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path)) or "the top level"


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Resolve a reference, and the section in a choice between a section and null."""
    if "$ref" in schema:
        return root["$defs"][schema["$ref"].rpartition("/")[2]]
    sections = [part for part in schema.get("anyOf", ()) if "$ref" in part]
    return _resolved(sections[0], root) if sections else schema


def _at(root: Schema, path: Sequence[str | int]) -> Schema:
    """Return the part of a JSON schema for a key or an element of a list."""
    schema = root
    for part in path:
        schema = _resolved(schema, root)
        if isinstance(part, str):
            schema = schema["properties"][part] if "properties" in schema else schema["additionalProperties"]
        else:
            lists = [choice for choice in schema.get("anyOf", [schema]) if "items" in choice]
            schema = lists[0]["items"]
    return _resolved(schema, root)


def _unknown(path: Sequence[str | int], section: Schema) -> str:
    """Return the sentence for an unknown key of a section."""
    name, known = str(path[-1]), list(section["properties"])
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" did you mean {close[0]}?" if close else ""
    return f"{_dotted(path[:-1])}: unknown key {name!r};{hint} known keys are {', '.join(known)}."


def _unexpected(path: Sequence[str | int], details: ErrorDetails, schema: Schema, root: Schema) -> str:
    """Return the sentence for a value of another type, or out of bounds."""
    value = details["input"]
    return f"{_dotted(path)}: got {value!r}, expected {accepted(schema, root)}{_hint(value, schema)}."


def _hint(value: object, schema: Schema) -> str:
    """Return advice for a value that YAML parses differently than intended, or ""."""
    kinds = {str(part.get("type")) for part in schema.get("anyOf", [schema])}
    if value is None and "object" in kinds:
        return "; delete the line if nothing is below it"
    if isinstance(value, int | float) and "string" in kinds and re.search(schema.get("pattern", ""), str(value)):
        return f'; write a name of digits in quotes: "{value}"'
    if isinstance(value, str) and kinds & {"number", "integer"}:
        try:
            number = float(value)
        except ValueError:
            return ""
        if math.isfinite(number):
            meant = int(number) if number.is_integer() and "integer" in kinds else number
            return f"; YAML reads it as text: write {meant}"
    return ""

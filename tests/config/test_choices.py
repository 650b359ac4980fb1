"""The schema and the types list the same words."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from splatrig.config.models import Config

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))


def words_of_type(hint: Any) -> set[str]:
    """Return the words that a field may have, in a list, in a union, or alone; none for other types."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {word for part in get_args(hint) if part is not NoneType for word in words_of_type(part)}


def words_of_schema(schema: dict[str, Any]) -> set[str]:
    """Return the words that the schema lists for a key."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    found = set(schema.get("enum", ()))
    for part in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]:
        found |= words_of_schema(part)
    return found | ({schema["const"]} if "const" in schema else set())


def differing(cls: type, schema: dict[str, Any], where: str = "") -> list[str]:
    """Return the keys whose type and schema list other words."""
    found = []
    hints = get_type_hints(cls)
    for field in fields(cls):
        key, hint = field.name.rstrip("_"), hints[field.name]
        given = schema["properties"][key]
        if is_dataclass(hint):
            found += differing(hint, given, f"{where}{key}.")
        elif words_of_type(hint) != words_of_schema(given):
            found.append(f"{where}{key}")
    return found


def test_every_list_of_words_is_a_type_and_the_same_one():
    # free text, for which one word is special
    assert differing(Config, SCHEMA) == ["capture.cameras", "components.units"]

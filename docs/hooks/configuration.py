"""Make the page configuration.md: types, bounds, defaults from the schema, values and comments from config.yaml."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]

HEADER = """# Configuration

Every key of `config.yaml`, made from the schema and the comments there. A
configuration of your own, given with `--configfile my.yaml`, names only what differs; an unknown key, a wrong type or a
value out of bounds ends the run before anything is written. *Default* is what a key has when neither file names it,
*demo* what `config.yaml` sets.
"""


def comments(text: str) -> dict[str, str]:
    """Return the comment on the line of each key, by dotted key."""
    lines = text.splitlines()
    found: dict[str, str] = {}

    def walk(node: yaml.Node, path: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = f"{path}.{key.value}" if path else key.value
                _, mark, comment = lines[key.start_mark.line].partition(" # ")
                found[name] = comment.strip() if mark else ""
                walk(value, name)

    walk(yaml.compose(text), "")
    return found


def leaves(schema: Mapping[str, Any], root: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Iterate over (dotted key, resolved schema) of everything that is not a section."""
    for key, part in schema["properties"].items():
        resolved = _resolved(part, root)
        name = f"{path}.{key}" if path else key
        if resolved.get("type") == "object":
            yield from leaves(resolved, root, name)
        else:
            yield name, resolved


def _resolved(part: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref", "").removeprefix("#/$defs/")
    return {**root["$defs"].get(reference, {}), **part}


def accepted(part: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Say in a few words what a leaf accepts."""
    part = _resolved(part, root)
    if "enum" in part:
        return " · ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    if "anyOf" in part:
        return " or ".join(accepted(choice, root) for choice in part["anyOf"])
    kinds = part.get("type", "value")
    words = [kinds] if isinstance(kinds, str) else list(kinds)
    if "array" in words and "items" in part:
        words[words.index("array")] = f"list of {accepted(part['items'], root)}"
    bounds = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
    limits = [text.format(part[name]) for name, text in bounds.items() if name in part]
    return ", ".join([" or ".join(words), *limits])


def page() -> str:
    """Return the whole page."""
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    values, notes = yaml.safe_load(text), comments(text)
    parts = [HEADER]
    section = None
    for key, part in leaves(schema, schema):
        top = key.split(".")[0] if "." in key else "top level"
        if top != section:
            section = top
            note = notes.get(top, "")
            parts.append(f"\n## {top}\n\n{note[:1].upper() + note[1:] + '.' if note else ''}".rstrip() + "\n")
            parts.append("| key | default | demo | accepts | meaning |\n|---|---|---|---|---|")
        shown = value_at(values, key)
        note = notes.get(key) or part.get("description", "")
        cells = [
            f"`{key.removeprefix(f'{top}.')}`",
            f"`{_short(part['default'])}`" if "default" in part else "required",
            "" if shown is None else f"`{_short(shown)}`",
            accepted(part, schema),
            note,
        ]
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(parts) + "\n"


def value_at(values: Any, key: str) -> Any:
    """Return the value of a dotted key, None where it is not set."""
    for name in key.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _short(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    text = text.removesuffix("...\n").strip()
    return text if len(text) <= 48 else text[:45] + "…"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page; MkDocs calls this (`hooks` of mkdocs.yml)."""
    files.append(File.generated(config, "configuration.md", content=page()))
    return files

"""Make the page configuration.md, and the JSON schema for editors beside it, from the models of the configuration."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from splatrig.config.messages import accepted
from splatrig.config.models import Config
from splatrig.config.section import Section

ROOT = Path(__file__).resolve().parents[2]
PRESETS = sorted((ROOT / "workflow" / "presets").glob("*.yaml"))

HEADER = """# Configuration

A configuration of your own, given with `--configfile my.yaml`, names a preset and what differs from it. An unknown
key, a wrong type or a value out of bounds ends the run before anything is written. Editors that know JSON schemas
complete and check keys with [config.schema.json](config.schema.json): a first line
`# yaml-language-server: $schema=PATH` tells where it is.

"""


def leaves(section: type[Section], root: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Iterate over (dotted key, default, what it accepts, meaning) of everything that is not a section."""
    schema = root if section is Config else root["$defs"][section.__name__]
    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            yield from leaves(type(field.default), root, f"{path}{name}.")
        else:
            default = "required" if field.is_required() else f"`{_short(field.default)}`"
            yield f"{path}{name}", default, accepted(schema["properties"][name], root), field.description or ""


def page() -> str:
    """Return the whole page."""
    parts, schema = [HEADER], Config.model_json_schema()
    rows = list(leaves(Config, schema))
    top = [row for row in rows if "." not in row[0]]
    parts += ["## Top level\n", *_table(top)]
    for name, field in Config.model_fields.items():
        if isinstance(field.default, Section):
            inside = [row for row in rows if row[0].startswith(f"{name}.")]
            parts += [f"\n## {name}\n\n{type(field.default).__doc__}\n", *_table(inside, f"{name}.")]
    parts.append("\n## Presets\n\nWhat each preset sets; everything else has its default.\n")
    for path in PRESETS:
        parts.append(f"### {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8')}```\n")
    return "\n".join(parts) + "\n"


def _table(rows: list[tuple[str, str, str, str]], prefix: str = "") -> list[str]:
    """Return the lines of a table of keys, named without `prefix`."""
    lines = ["| key | default | accepts | meaning |", "|---|---|---|---|"]
    for key, *cells in rows:
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{key.removeprefix(prefix)}`", *cells)) + " |"
        )
    return lines


def _short(value: Any) -> str:
    """Return a default as YAML in one line, long ones cut."""
    value = value.model_dump() if isinstance(value, Section) else value
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    text = text.removesuffix("\n").removesuffix("...").strip()
    return text if len(text) <= 48 else text[:45] + "…"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page and the schema; MkDocs calls this (`hooks` of mkdocs.yml)."""
    files.append(File.generated(config, "configuration.md", content=page()))
    schema = json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False)
    files.append(File.generated(config, "config.schema.json", content=schema))
    return files

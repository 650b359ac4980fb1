"""Keys of the configuration that pages, captions, code and messages name are keys of the configuration."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from splatrig.config.load import FORMER, load_config
from splatrig.config.models import Config
from splatrig.config.section import Section

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CAPTIONS = sorted((ROOT / "workflow" / "report").glob("*.rst"))
HOUSE = ROOT / "workflow"
CODE = [*HOUSE.rglob("*.py"), *HOUSE.rglob("*.smk"), ROOT / "Snakefile"]
FORMER_KEYS = ROOT / "workflow" / "lib" / "splatrig" / "config" / "load.py"
"""The one file that names keys of earlier versions."""

SUFFIXES = ("csv", "gif", "h5", "html", "jpg", "md", "mp4", "png", "py", "rst", "smk", "svg", "yaml")
"""What makes a file's name of `evaluation.smk`, which begins like a key."""


def _keys(section: type[Section], path: str = "") -> Iterator[tuple[str, bool]]:
    """Every dotted key, and whether it is a section."""
    for name, field in section.model_fields.items():
        inside = isinstance(field.default, Section)
        yield f"{path}{name}", inside
        if inside:
            yield from _keys(type(field.default), f"{path}{name}.")


KEYS = dict(_keys(Config))
SECTIONS = {key for key, inside in KEYS.items() if inside and "." not in key}
FORMER_SECTIONS = {key.partition(".")[0] for key in FORMER} - set(KEYS)
DOTTED = re.compile(rf"(?<![\w./{{]){'(?:' + '|'.join(sorted(SECTIONS | FORMER_SECTIONS)) + ')'}(?:\.[A-Za-z_]\w*)+")


def named_keys(text: str) -> list[str]:
    """The dotted keys that a text names."""
    return [key for key in DOTTED.findall(text) if key.rpartition(".")[2] not in SUFFIXES]


def inline_code(text: str) -> list[str]:
    """What stands in backticks in a text, outside its blocks of code."""
    return re.findall(r"`+([^`]+)`+", re.sub(r"```.*?```", "", text, flags=re.S))


def config_lookups(caption: str) -> list[str]:
    """The keys that a caption of the report takes from the configuration, dotted."""
    chains = re.findall(r"snakemake\.config((?:\[\"\w+\"\]|\.get\(\"\w+\".*?\))+)", caption)
    return [".".join(re.findall(r"\"(\w+)\"", chain)) for chain in chains]


def settings(text: str) -> list[tuple[str, str]]:
    """Key and value of every `key: value` in backticks whose first part is a key of the configuration."""
    pairs = [re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)*): (.+)", code, re.S) for code in inline_code(text)]
    return [(pair[1], pair[2]) for pair in pairs if pair is not None and pair[1].partition(".")[0] in KEYS]


def mistakes(key: str, value: str) -> str:
    """What the models find wrong with a value, as it would be written to a file; empty for nothing."""
    raw = yaml.safe_load(value)
    for name in reversed(key.split(".")):
        raw = {name: raw}
    try:
        Config.model_validate({"neutral": "Neutral", **raw})
    except ValidationError as error:
        return str(error)
    return ""


def strings(path: Path) -> list[tuple[int, str]]:
    """The strings and comments of a source file with their lines, without the expressions inside of f-strings."""
    kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    with path.open("rb") as file:
        found = [(token.start[0], token.string) for token in tokenize.tokenize(file.readline) if token.type in kinds]
    return [(line, re.sub(r"{[^{}]*}", "", text)) for line, text in found]


def test_a_wrong_key_would_be_found(tmp_path: Path) -> None:
    assert named_keys("a `components.k`, an old joint.steps, training.recipe: x") == [
        "components.k",
        "joint.steps",
        "training.recipe",
    ]
    assert named_keys("splatrig.capture.layout, ../envs/capture.yaml, evaluation.smk, CFG.capture.root") == []
    assert inline_code("`a.b` and ``c.d``\n```python\n`no`\n```\n`e: f`") == ["a.b", "c.d", "e: f"]
    assert config_lookups('{{ snakemake.config["evaluation"].get("level", 0) }}') == ["evaluation.level"]
    source = tmp_path / "some.smk"
    source.write_text('rule one:\n    # joint.level\n    params:\n        f"got {capture.no}; raise learned.no"\n')
    assert [key for _, text in strings(source) for key in named_keys(text)] == ["joint.level", "learned.no"]


def test_a_wrong_value_would_be_found() -> None:
    assert settings("`capture.holes: skip`, `E001: x`, `control: {web_head: 3}`") == [
        ("capture.holes", "skip"),
        ("control", "{web_head: 3}"),
    ]
    assert mistakes("capture.holes", "skip") == ""
    assert "web_head" in mistakes("control", "{web_head: 3}")
    assert mistakes("capture.background", "mask")


def test_pages_captions_and_code_name_keys_at_all() -> None:
    """Else the tests below would find nothing wrong with anything."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert len({key for code in inline_code(pages) for key in named_keys(code)}) >= 30
    assert len(settings(pages)) >= 12
    captions = "\n".join(path.read_text(encoding="utf-8") for path in CAPTIONS)
    assert len(config_lookups(captions)) >= 5
    assert {key for code in inline_code(captions) for key in named_keys(code)}
    assert len({key for path in CODE for _, text in strings(path) for key in named_keys(text)} & set(KEYS)) >= 30


def test_keys_are_read_from_the_models() -> None:
    assert {"neutral", "components.sldc.supports.gauss", "capture.held_out.cameras"} <= set(KEYS)
    assert {"capture", "fitting", "learned"} <= SECTIONS
    assert {"joint", "training"} == FORMER_SECTIONS


@pytest.mark.parametrize("path", [*PAGES, *CAPTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_page_names_keys_that_there_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = [key for code in inline_code(text) for key in named_keys(code)] + config_lookups(text)
    assert [key for key in named if key not in KEYS] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_page_gives_keys_values_that_they_take(path: Path) -> None:
    wrong = {f"{key}: {value}": mistakes(key, value) for key, value in settings(path.read_text(encoding="utf-8"))}
    assert {pair: found for pair, found in wrong.items() if found} == {}


SHOWN = [(path, block) for path in PAGES for block in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.S)]


def test_the_pages_for_newcomers_show_a_configuration() -> None:
    assert {"README.md", "captures.md", "getting-started.md"} <= {path.name for path, _ in SHOWN}


@pytest.mark.parametrize("block", [block for _, block in SHOWN], ids=[path.name for path, _ in SHOWN])
def test_a_configuration_on_a_page_gets_the_defaults_of_a_real_capture(block: str) -> None:
    config = load_config(yaml.safe_load(block), HOUSE / "presets")
    assert config.capture.source == config.preset != "demo"
    assert config.learned == Config.model_fields["learned"].default


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_message_names_keys_that_there_are(path: Path) -> None:
    kept = set(FORMER) if path == FORMER_KEYS else set()
    named = [(line, key) for line, text in strings(path) for key in named_keys(text)]
    assert [f"line {line}: {key}" for line, key in named if key not in KEYS and key not in kept] == []

"""The picture of the rooms shows what lint holds."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_rooms_of_the_picture_are_the_layers_that_lint_holds():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ {8,}([a-z]+(?: │ [a-z]+)*) {2,}\S", page.partition("## Rooms")[2], re.M)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert [row.split(" │ ") for row in rows] == [layer.split(" | ") for layer in contracts[0]["layers"]]


def test_every_room_says_in_one_sentence_what_it_is():
    for module in sorted((ROOT / "workflow" / "lib" / "splatrig").glob("*/__init__.py")):
        assert module.read_text(encoding="utf-8").startswith('"""'), module

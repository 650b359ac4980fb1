"""Docstrings make sense in a tooltip: they start with a verb or a noun, not in the middle of a sentence."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "workflow" / "lib" / "splatrig"
ROOMS = sorted(path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists())

FRAGMENT = re.compile(
    r"(?:Of|By|In|For|From|With|Without|As|Where|To|At|On|Before|After|Between|Above|Below|Against|Around|Beyond|Up|Not|And"
    r"|Or|But|Because|Since|If|When|While|Whose|That|Which|What|Who|How|Why|So|Then|Than)\b"
    r"|[a-z(,;:…]"
)
"""Beginnings of docstrings that depend on the line above them."""


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring of a source, those below constants and fields among them."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def fragments(source: str) -> list[str]:
    """Line and beginning of every docstring that is not a sentence or a noun phrase of its own."""
    return [f"line {line}: {text[:60]}" for line, text in docstrings(source) if FRAGMENT.match(text)]


def test_a_fragment_would_be_found() -> None:
    source = (
        '"""What happened."""\nSTEPS = 3\n"""Of a fit."""\n\n\ndef f():\n    """Return it."""\n    "nothing of it"\n'
    )
    assert fragments(source) == ["line 1: What happened.", "line 3: Of a fit.", "line 8: nothing of it"]
    assert fragments('"""Number of steps."""\nclass A:\n    k: int\n    """Weights [K]; `None`: none."""\n') == []


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_stand_alone(room: str) -> None:
    files = sorted((LIBRARY / room).rglob("*.py"))
    found = {str(path.relative_to(LIBRARY)): fragments(path.read_text(encoding="utf-8")) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}

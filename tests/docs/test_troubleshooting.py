import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
OTHERS = ("(torch)", "(Snakemake)")


def _source() -> str:
    files = [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)  # sentences that go over several lines of source


def _messages() -> list[str]:
    entries = [line for line, after in zip(PAGE.splitlines(), PAGE.splitlines()[1:], strict=False) if after[:2] == ": "]
    return [message for line in entries if not line.endswith(OTHERS) for message in re.findall(r"`([^`]+)`", line)]


def test_the_page_lists_messages() -> None:
    assert len(_messages()) >= 15


@pytest.mark.parametrize("message", _messages())
def test_every_message_that_the_page_explains_is_still_in_the_source(message: str) -> None:
    parts = [part.strip() for part in message.split("…")]
    source = _source()
    assert all(part in source for part in parts), message

"""Read user-supplied texts: UTF-8 files, JSON documents of a known format, finite numbers."""

import json
import math
from pathlib import Path
from typing import Any

from splatrig.io.errors import InputError


def read_text(path: str | Path, kind: str) -> str:
    """Return the text of a file; raise InputError naming it and the expected `kind` if it is not text."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as {kind} ({error}); save it as UTF-8 text.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read as {kind} ({error.strerror}).") from error


def parse_json_text(text: str, where: str) -> Any:
    """Return the value of a JSON text; raise InputError naming `where` and the line if it is malformed."""
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise InputError(f"{where} line {error.lineno}: expected JSON, got {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected JSON, got {error}.") from error


def parse_document(text: str, where: str, format_: str, version: int) -> dict[str, Any]:
    """Return a JSON object with the given `format` and `format_version`; raise InputError naming `where` otherwise."""
    document = parse_json_text(text, where)
    if not isinstance(document, dict) or document.get("format") != format_:
        raise InputError(f"{where}, key 'format': expected {format_!r}, got {brief(document, 'format')}.")
    if document.get("format_version") != version:
        raise InputError(f"{where}, key 'format_version': expected {version}, got {brief(document, 'format_version')}.")
    return document


def brief(document: object, key: str) -> str:
    """Return a document's value of `key`, shortened for an error message."""
    if not isinstance(document, dict):
        return f"a {type(document).__name__}"
    return repr(document[key])[:60] if key in document else "nothing"


def finite_number(value: object, where: str) -> float:
    """Return a finite number from a word or a JSON value; raise InputError naming the place."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: expected a finite number, got {repr(value)[:60]}.")
    return number

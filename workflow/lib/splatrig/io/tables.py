"""Read CSV tables that must have certain columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from splatrig.io.errors import InputError
from splatrig.io.files import unreadable


def read_table(path: str | Path, what: str, columns: Sequence[str], remedy: str, **options: Any) -> pd.DataFrame:
    """Read a CSV table, with pandas' `options`; raise InputError naming the file unless it has all `columns`.

    The message says `what` the table contains and, if it cannot be read, the `remedy`.
    """
    try:
        table = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, f"not a table of {what} ({error}); {remedy}.") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"{path}: expected the columns {', '.join(columns)}; {missing[0]} is missing.")
    return table

"""The long table of methods: one value per row, with unit and sample count."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.evaluation.measures import bootstrap_interval
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

METHOD_COLUMNS = ("method", "level", "k", "metric", "region", "split", "unit", "value", "low", "high", "n")
"""Columns of `methods.csv`: `k` components, `region` head or face, `split` of the frames (train, held_out, left_out),
95 % interval `low`..`high` where available, and `n`, the number of samples of `value`."""

SWEEP_COLUMNS = (*METHOD_COLUMNS, "lambda", "sweep")
"""Columns of `sweeps.csv`: those of `methods.csv`, SLDC's sparsity weight, and the sweep that a row belongs to (k,
lambda, left_out)."""

RUNTIME_COLUMNS = ("method", "level", "k", "lambda", "frames", "what", "seconds")
"""Columns of `runtimes.csv`, which is separate from the other tables because no two runs agree on times. `what` was
timed: `learning` k components from `frames` frames with one thread, or the whole `job` that made the component file,
including reading and writing."""


class MethodTable:
    """Collects rows of one method at one level."""

    def __init__(self, method: str, level: str) -> None:
        self.method = method
        self.level = level
        self._rows: list[tuple[object, ...]] = []

    def add(
        self,
        metric: str,
        value: float,
        unit: str,
        n: int,
        *,
        k: int,
        region: str = "head",
        split: str = "train",
        interval: tuple[float, float] | None = None,
    ) -> None:
        """Add one value over `n` samples."""
        low, high = interval if interval is not None else (float("nan"), float("nan"))
        self._rows.append((self.method, self.level, k, metric, region, split, unit, value, low, high, n))

    def add_mean(
        self, metric: str, values: NDArray, unit: str, generator: np.random.Generator, *, k: int, **where: str
    ) -> None:
        """Add the mean of `values` [n] with its bootstrap interval; `where` names the region and the split."""
        found = bootstrap_interval(values, generator)
        self.add(metric, found.mean, unit, found.count, k=k, interval=(found.low, found.high), **where)

    def frame(self) -> pd.DataFrame:
        """Return the rows in insertion order."""
        numbers = {"k": int, "value": float, "low": float, "high": float, "n": int}
        return pd.DataFrame(self._rows, columns=list(METHOD_COLUMNS)).astype(numbers)


def write_table(path: str | Path, table: pd.DataFrame, digits: int = 6) -> None:
    """Write a table as CSV with `digits` significant digits, infinity as `inf`, missing values empty.

    Example:
        >>> write_table(Path("fit_summary.csv"), summarize_fit(fit, np.random.default_rng(0)))
    """
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{digits}g")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV table; names of frames and cameras stay text."""
    text = dict.fromkeys(("frame", "camera", "method", "level", "expression", "unit", "split", "region"), str)
    return pd.read_csv(path, dtype=text)


def merge_tables(paths: Iterable[str | Path], columns: Sequence[str] = METHOD_COLUMNS) -> pd.DataFrame:
    """Concatenate long tables in the given order.

    Raises:
        InputError: A file lacks a column; the message names it.
    """
    tables = []
    for path in paths:
        table = read_table(path)
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise InputError(f"{path}: expected a column {missing[0]!r}, got {', '.join(table.columns)}; run again.")
        tables.append(table[list(columns)])
    filled = [table for table in tables if len(table)]  # empty columns have no type and would change that of the others
    return pd.concat(filled or tables, ignore_index=True)


def pick(table: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """Return the rows of one metric, narrowed by further columns."""
    rows = table[table["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows

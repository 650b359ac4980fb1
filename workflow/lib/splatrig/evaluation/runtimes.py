"""Run times of methods, from Snakemake's benchmarks of their jobs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from splatrig.evaluation.table import RUNTIME_COLUMNS


def seconds_of(path: str | Path) -> float | None:
    """Return the wall-clock seconds of a benchmark table (the mean of its repeats), or None when there is none."""
    path = Path(path)
    if not path.is_file():
        return None
    table = pd.read_csv(path, sep="\t")
    return float(pd.to_numeric(table["s"], errors="coerce").mean())


def job_seconds(jobs: Sequence[Mapping[str, Any]], copies: Sequence[str | Path] = ()) -> pd.DataFrame:
    """Return one row per method with the seconds of its jobs (`RUNTIME_COLUMNS`), if it has benchmarks.

    A job is a mapping of method, level, k and `benchmarks`, the tables of the jobs that make the method. `copies`, if
    there are any, are to be read in the place of all these tables, in their order.
    """
    names = [path for job in jobs for path in job["benchmarks"]]
    places = dict(zip(names, copies or names, strict=True))
    rows = []
    for job in jobs:
        found = [seconds for path in job["benchmarks"] if (seconds := seconds_of(places[path])) is not None]
        if len(found) == len(job["benchmarks"]) > 0:
            rows.append((job["method"], job["level"], job["k"], float("nan"), float("nan"), "job", sum(found)))
    return pd.DataFrame(rows, columns=list(RUNTIME_COLUMNS))

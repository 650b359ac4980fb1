"""Run times of methods, from Snakemake's benchmarks of their jobs."""

from collections.abc import Iterable, Mapping
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


def job_seconds(jobs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per method with the seconds of its jobs (`RUNTIME_COLUMNS`), if it has benchmarks.

    A job is a mapping of method, level, k and `benchmarks`, the tables of the jobs that make the method.
    """
    rows = []
    for job in jobs:
        found = [seconds for seconds in map(seconds_of, job["benchmarks"]) if seconds is not None]
        if len(found) == len(job["benchmarks"]) > 0:
            rows.append((job["method"], job["level"], job["k"], float("nan"), float("nan"), "job", sum(found)))
    return pd.DataFrame(rows, columns=list(RUNTIME_COLUMNS))

"""Errors on expressions that components were learned without: one number a fold, and their mean with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.file import Components
from splatrig.evaluation.measures import attribute_error, bootstrap_interval, rms
from splatrig.evaluation.reconstruction import split_attributes
from splatrig.evaluation.surface import SurfaceWalk
from splatrig.evaluation.table import MethodTable

FOLD_COLUMNS = ("method", "level", "k", "expression", "metric", "region", "unit", "value", "n")
"""Columns of `folds.csv`: `k` components were learned without `expression`; `value` is over its `n` frames."""

BASELINE = "pca_all"
"""What learned rigs are compared with in the same pictures of the same folds."""


def fold_errors(
    components: Components,
    truth: NDArray,  # [R, D] fitted rows, stored units
    estimate: NDArray,  # [R, D] what was made of them
) -> dict[tuple[str, str], float]:
    """Return the root mean square errors of one fold in mm by (metric, region): of the centres, and of the surface."""
    true, made = (split_attributes(rows, components)["xyz"] for rows in (truth, estimate))
    error = attribute_error("xyz", made, true)
    away = SurfaceWalk(components.faces).of_frames(made, true)
    return {
        ("generalisation_xyz", "head"): rms(error),
        ("generalisation_xyz", "face"): rms(error[:, components.face_mask]),
        ("generalisation_surface", "head"): rms(away),
    }


def add_folds(
    table: MethodTable, k: int, folds: Sequence[Mapping[tuple[str, str], float]], generator: np.random.Generator
) -> None:
    """Add mean and bootstrap interval over `folds`, the errors of each by (metric, region)."""
    for metric, region in folds[0] if folds else ():
        found = bootstrap_interval(np.array([fold[metric, region] for fold in folds]), generator)
        bounds = (found.low, found.high)
        table.add(metric, found.mean, "mm", found.count, k=k, region=region, split="left_out", interval=bounds)


def fold_table(
    method: str, level: str, k: int, expression: str, errors: Mapping[tuple[str, str], float], n: int
) -> pd.DataFrame:
    """Return the errors of one fold over `n` frames with `FOLD_COLUMNS`."""
    rows = [(method, level, k, expression, *key, "mm", value, n) for key, value in errors.items()]
    return pd.DataFrame(rows, columns=list(FOLD_COLUMNS))


def summarise_folds(folds: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return mean and bootstrap interval over expressions, per method and k, as rows of `methods.csv`."""
    tables = []
    for (method, level, k), own in folds.groupby(["method", "level", "k"], sort=False):
        table = MethodTable(str(method), str(level))
        keyed = own.set_index(["metric", "region"])["value"]
        errors = [dict(keyed[own["expression"].to_numpy() == name].items()) for name in own["expression"].unique()]
        add_folds(table, int(str(k)), errors, generator)
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def paired_gains(images: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return how much higher the PSNR of left-out frames is than `BASELINE`'s in the same pictures, in dB.

    For rigs whose weights were found from photographs, where the baseline has as many components: mean of the paired
    differences and bootstrap interval over expressions, as rows of `methods.csv`.
    """
    seen = images[(images["test"] == "generalisation") & np.isfinite(images["psnr"])]
    keys = ["k", "expression", "frame", "camera"]
    baseline = seen.loc[seen["method"] == BASELINE, [*keys, "psnr"]]
    tables = []
    for (method, level, k), own in seen[seen["weights"] == "photographs"].groupby(["method", "level", "k"], sort=False):
        pairs = own.merge(baseline, on=keys, suffixes=("", "_baseline"))
        if pairs.empty:
            continue
        gains = pairs["psnr"] - pairs["psnr_baseline"]
        found = bootstrap_interval(gains.groupby(pairs["expression"]).mean().to_numpy(), generator)
        table, bounds = MethodTable(str(method), str(level)), (found.low, found.high)
        table.add(
            "generalisation_psnr_gain", found.mean, "dB", found.count, k=int(str(k)), split="left_out", interval=bounds
        )
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True) if tables else MethodTable("", "").frame()

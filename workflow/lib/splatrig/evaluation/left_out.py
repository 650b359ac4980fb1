"""Errors on expressions that components were learned without: one number a fold, and their mean with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.evaluation.measures import attribute_error, rms
from splatrig.evaluation.surface import SurfaceWalk
from splatrig.evaluation.table import MethodTable

FOLD_COLUMNS = ("method", "level", "k", "expression", "metric", "region", "unit", "value", "n")
"""Columns of `folds.csv`: `k` components were learned without `expression`; `value` is over its `n` frames."""

BASELINE = "pca_all"
"""What learned rigs are compared with in the folds: weights from photographs, as theirs are.

With weights closest to the fitted rows, as all methods but learned rigs have them, it is left out of all expressions
anyway; that is what stands in `methods.csv`.
"""


def fold_errors(
    components: Components,  # of structured Gaussians
    truth: NDArray,  # [R, D] fitted rows, stored units
    estimate: NDArray,  # [R, D] what was made of them
) -> dict[tuple[str, str], float]:
    """Return the root mean square errors of one fold in mm by (metric, region): of the centers, and of the surface."""
    true, made = (components.columns.by_attribute(rows)["xyz"] for rows in (truth, estimate))
    error = attribute_error("xyz", made, true)
    away = SurfaceWalk(components.faces).of_frames(made, true)
    return {
        ("generalization_xyz", "head"): rms(error),
        ("generalization_xyz", "face"): rms(error[:, components.face_mask]),
        ("generalization_surface", "head"): rms(away),
    }


def add_folds(
    table: MethodTable, k: int, folds: Sequence[Mapping[tuple[str, str], float]], generator: np.random.Generator
) -> None:
    """Add mean and bootstrap interval over `folds`, the errors of each by (metric, region)."""
    for metric, region in folds[0] if folds else ():
        values = np.array([fold[metric, region] for fold in folds])
        table.add_mean(metric, values, "mm", generator, k=k, region=region, split="left_out")


def fold_table(
    method: str, level: str, k: int, expression: str, errors: Mapping[tuple[str, str], float], n: int
) -> pd.DataFrame:
    """Return the errors of one fold over `n` frames with `FOLD_COLUMNS`."""
    rows = [(method, level, k, expression, *key, "mm", value, n) for key, value in errors.items()]
    return pd.DataFrame(rows, columns=list(FOLD_COLUMNS))


def solved_baseline(images: pd.DataFrame) -> pd.Series:
    """Return which rows of `images.csv` are the baseline's in folds, made for the comparison alone."""
    left_out = (images["test"] == "generalization") & (images["weights"] == "photographs")
    return left_out & (images["method"] == BASELINE)


def summarize_folds(folds: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return mean and bootstrap interval over expressions, per learned rig and k, as rows of `methods.csv`."""
    tables = []
    for (method, level, k), own in folds[folds["method"] != BASELINE].groupby(["method", "level", "k"], sort=False):
        table = MethodTable(str(method), str(level))
        keyed = own.set_index(["metric", "region"])["value"]
        errors = [dict(keyed[own["expression"].to_numpy() == name].items()) for name in own["expression"].unique()]
        add_folds(table, int(str(k)), errors, generator)
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def paired_gains(images: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return how much higher a learned rig's PSNR of left-out frames is than `BASELINE`'s in the same pictures, in dB.

    Both have as many components, and weights found from the same photographs. Mean of the paired differences and
    bootstrap interval over expressions, as rows of `methods.csv`.
    """
    seen = images[(images["test"] == "generalization") & (images["weights"] == "photographs")]
    seen = seen[np.isfinite(seen["psnr"])]
    keys, own_rows = ["k", "expression", "frame", "camera"], solved_baseline(seen)
    baseline, tables = seen.loc[own_rows, [*keys, "psnr"]], [MethodTable("", "").frame()]
    for (method, level, k), own in seen[~own_rows].groupby(["method", "level", "k"], sort=False):
        pairs = own.merge(baseline, on=keys, suffixes=("", "_baseline"))
        if pairs.empty:
            continue
        gains = pairs["psnr"] - pairs["psnr_baseline"]
        per_expression = gains.groupby(pairs["expression"]).mean().to_numpy()
        table = MethodTable(str(method), str(level))
        table.add_mean("generalization_psnr_gain", per_expression, "dB", generator, k=int(str(k)), split="left_out")
        tables.append(table.frame())
    return tables[0] if len(tables) == 1 else pd.concat(tables[1:], ignore_index=True)

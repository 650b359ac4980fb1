"""Errors on expressions that the components were learned without: one value per fold, and their mean with interval."""

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
"""Method that learned rigs are compared with in the folds, its weights also solved from photographs.

For the other methods weights are projected from the fitted rows, which needs no separate fold; see `methods.csv`."""


def fold_errors(
    components: Components,  # of structured Gaussians
    truth: NDArray,  # [R, D] fitted rows, stored units
    estimate: NDArray,  # [R, D] rows that the components reproduce
) -> dict[tuple[str, str], float]:
    """Return the RMS errors of one fold in mm by (metric, region): of the centers, and from the surface."""
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
    """Return the mask of the rows of `images.csv` that belong to the baseline in folds."""
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
    """Return the PSNR gain (dB) of learned rigs over `BASELINE` on left-out frames, in the same images.

    Both have the same number of components, and weights solved from the same photographs. The result is the mean of the
    paired differences with a bootstrap interval over expressions, as rows of `methods.csv`.
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

"""Quality of the per-frame fits: one long table from the stores of all expressions, and its summaries."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from splatrig.dataset.regions import REGION_COLUMNS
from splatrig.evaluation.measures import bootstrap_interval
from splatrig.gaussians.store import read_fitted_frames

FIT_COLUMNS = ("expression", "frame", "camera", "split", "region", "psnr", "ssim", "lpips")
"""Columns of `fit.csv`: psnr in dB over the region (mask: inside the silhouette; image: everywhere), ssim averaged over
it, lpips empty if its network weights are not installed; split says whether the camera was used for training."""

FIT_REGION_COLUMNS = ("expression", "frame", "camera", *REGION_COLUMNS)
"""Columns of `fit_regions.csv`: the errors of the fits by region of the head, in the measuring cameras."""


def merge_fit_metrics(stores: Iterable[str | Path]) -> pd.DataFrame:
    """Return the metrics of all fitted frames as one long table, in the order of `stores`, each frame once."""
    tables = []
    for path in stores:
        fitted = read_fitted_frames(path)
        tables.append(fitted.metrics.assign(expression=fitted.expression))
    merged = pd.concat(tables, ignore_index=True)
    if "lpips" not in merged:
        merged["lpips"] = np.nan
    return merged.drop_duplicates(["expression", "frame", "camera", "region"], keep="last")[list(FIT_COLUMNS)]


def with_regions(fit: pd.DataFrame, regions: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `fit.csv` joined with the errors by region of the same views; NaN where they were not measured."""
    return fit.merge(regions, on=["expression", "frame", "camera"], how="left")


def summarize_fit(fit: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return mean PSNR, SSIM and LPIPS by split and region, over frames, with bootstrap intervals over frames.

    Columns: split, region, metric, unit, value, low, high, n (frames). Cameras of one frame are averaged first. Equal
    images have infinite PSNR; they are excluded from the mean and from n. A metric that could not be measured (LPIPS
    without its network weights) has no value and n = 0.
    """
    rows = []
    for (split, region), group in fit.groupby(["split", "region"], sort=True):
        for metric, unit in (("psnr", "dB"), ("ssim", "0 to 1"), ("lpips", "distance")):
            finite = group[np.isfinite(group[metric])]
            if finite.empty:
                rows.append((split, region, metric, unit, np.nan, np.nan, np.nan, 0))
                continue
            per_frame = finite.groupby(["expression", "frame"])[metric].mean().to_numpy()
            interval = bootstrap_interval(per_frame, generator)
            rows.append((split, region, metric, unit, interval.mean, interval.low, interval.high, interval.count))
    return pd.DataFrame(rows, columns=["split", "region", "metric", "unit", "value", "low", "high", "n"])


def worst_views(fit: pd.DataFrame, count: int, *, region: str = "mask") -> pd.DataFrame:
    """Return the worst views (frame, camera), worst first: of `count` expressions, then of `count` cameras.

    For each of the expressions with the lowest PSNR in a held-out camera (in any, if none is held out), it returns the
    worst view there. For each of the cameras with the lowest mean PSNR, held out or not, it returns the worst view
    unless that is included already.
    """
    inside = fit[fit["region"] == region]
    ordered = inside.sort_values(["psnr", "expression", "frame", "camera"], kind="stable")
    unseen = ordered[ordered["split"] == "held_out"]
    expressions = (ordered if unseen.empty else unseen).drop_duplicates("expression").head(count)
    means = inside[np.isfinite(inside["psnr"])].groupby("camera")["psnr"].mean()
    worst = means.sort_values(kind="stable").index[:count].tolist()
    cameras = ordered.drop_duplicates("camera").set_index("camera", drop=False).reindex(worst)
    chosen = pd.concat([expressions.assign(why="expression"), cameras.assign(why="camera")], ignore_index=True)
    return chosen.drop_duplicates(["expression", "frame", "camera"], ignore_index=True)

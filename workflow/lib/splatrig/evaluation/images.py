"""Image scores: from one row per image to one value per method and k."""

import numpy as np
import pandas as pd

from splatrig.dataset.regions import REGION_COLUMNS
from splatrig.evaluation.table import MethodTable

IMAGE_COLUMNS = (
    *("method", "level", "k", "test", "weights", "sample", "expression", "frame", "role", "camera"),
    *("psnr", "ssim", "lpips", *REGION_COLUMNS),
)
"""Columns of `images.csv`: scores inside the silhouette of held-out cameras, psnr in dB, lpips empty if its network
weights are not installed, and the sums that are pooled by region.

`test` says what was rendered: reconstruction (a frame), unfollowed (the same, for a method that moves only centers,
with the neutral's rotations and sizes instead of those that follow the skin), generalization (a frame of an expression
that the components were learned without), specificity (random face `sample`, compared with its nearest frame) or driven
(a frame by given weights: for blendshapes, the demo's).

`weights` says where its weights are from: rows (closest to the fitted row), own (learned with the components),
photographs (solved from training cameras), true (those that made the demo); fit: none, since the frame was fitted
directly."""

METRICS = (("psnr", "dB"), ("ssim", "0 to 1"), ("lpips", "distance"))

NAMES = {
    "reconstruction": "image",
    "unfollowed": "unfollowed",
    "generalization": "generalization",
    "specificity": "specificity",
    "driven": "driven",
}
"""Prefix of the metrics' names by test, as in image_psnr, unfollowed_psnr and generalization_psnr."""

FITS = "fits"
"""Name of the per-frame fits in the column `method`."""


def summarize_images(images: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return mean PSNR, SSIM and LPIPS per method, level, test, k and role as rows of `methods.csv`.

    Cameras of one frame (or random face) are averaged first; the interval is a bootstrap over frames, and n is their
    number. Infinite PSNR (equal images) and missing LPIPS are excluded from the mean and from n.
    """
    tables = []
    for (method, level), own in images.groupby(["method", "level"], sort=False):
        table = MethodTable(str(method), str(level))
        for (test, role, k), rows in own.groupby(["test", "role", "k"], sort=True):
            for metric, unit in METRICS:
                finite = rows[np.isfinite(rows[metric])]
                if finite.empty:
                    continue
                per_frame = finite.groupby(["expression", "frame", "sample"])[metric].mean().to_numpy()
                name = f"{NAMES[str(test)]}_{metric}"
                table.add_mean(name, per_frame, unit, generator, k=int(str(k)), split=str(role))
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def fitted_pictures(fit: pd.DataFrame, images: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return the scores of the per-frame fits, over the frames and cameras that were rebuilt.

    `fit` are rows of `fit.csv` with their errors by region. The result is the method `FITS` with k = 0, so that it
    appears next to the others wherever those are shown.
    """
    keys = ["expression", "frame", "camera"]
    rebuilt = images.loc[(images["test"] == "reconstruction") & (images["weights"] != "photographs")]
    rebuilt = rebuilt.loc[rebuilt["method"] != FITS, [*keys, "role"]].drop_duplicates()
    same = fit[fit["region"] == "mask"].merge(rebuilt, on=keys)
    told = same.assign(method=FITS, level=level, k=0, test="reconstruction", weights="fit", sample=0)
    return told[list(IMAGE_COLUMNS)]


def unseen_pictures(compared: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return `splatrig.learned.compare.compare` of held-out expressions as rows of `images.csv`.

    Weights were solved from photographs of training cameras; the frames' own fits are called `FITS`, with k = 0.
    """
    inside = compared[compared["region"] == "mask"]
    weights = np.where(inside["method"] == FITS, "fit", "photographs")
    told = inside.assign(
        role=inside["split"], level=level, test="reconstruction", weights=weights, sample=0, lpips=np.nan
    )
    return told[list(IMAGE_COLUMNS)]

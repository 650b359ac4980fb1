"""Picture scores: from one row a picture to one number a method and k."""

import numpy as np
import pandas as pd

from splatrig.dataset.regions import REGION_COLUMNS
from splatrig.evaluation.table import MethodTable

IMAGE_COLUMNS = (
    *("method", "level", "k", "test", "weights", "sample", "expression", "frame", "role", "camera"),
    *("psnr", "ssim", "lpips", *REGION_COLUMNS),
)
"""Columns of `images.csv`: scores inside of the silhouette of held-out cameras, psnr in dB, lpips empty where its
weights are absent, and the sums that are pooled by region.
`test` says what was rendered: reconstruction (a frame), unfollowed (the same of a method that moves
centers alone, Gaussians keeping the neutral's rotation and size instead of following the skin), generalization (a frame
of an expression that was left out when the components were learned), specificity (random face `sample`, against its
nearest frame) or driven (a frame by weights that others know: of blendshapes the demo's).
`weights` says where its weights are from: rows (the closest to the fitted row), own (learned with the components),
photographs (found from training cameras), true (those that made the demo); fit: no weights, the frame was fitted on its
own."""

METRICS = (("psnr", "dB"), ("ssim", "0 to 1"), ("lpips", "distance"))

NAMES = {
    "reconstruction": "image",
    "unfollowed": "unfollowed",
    "generalization": "generalization",
    "specificity": "specificity",
    "driven": "driven",
}
"""Test to the first half of its metrics' names, such as image_psnr, unfollowed_psnr and generalization_psnr."""

FITS = "fits"
"""What the frames that were fitted one by one are called in place of a method."""


def summarize_images(images: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return mean PSNR, SSIM and LPIPS per method, level, test, k and role as rows of `methods.csv`.

    Cameras of one frame (or random face) are averaged first; the interval is a bootstrap over frames, n counts them.
    Infinite PSNR (equal pictures) and absent LPIPS are left out of the mean and of n.
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
    """Return the scores of the fitted frames themselves, over the frames and cameras that were rebuilt.

    `fit` are rows of `fit.csv` with their errors by region. They come as the method `FITS` with k = 0, so that they
    stand beside the others wherever those are shown.
    """
    keys = ["expression", "frame", "camera"]
    rebuilt = images.loc[(images["test"] == "reconstruction") & (images["weights"] != "photographs")]
    rebuilt = rebuilt.loc[rebuilt["method"] != FITS, [*keys, "role"]].drop_duplicates()
    same = fit[fit["region"] == "mask"].merge(rebuilt, on=keys)
    told = same.assign(method=FITS, level=level, k=0, test="reconstruction", weights="fit", sample=0)
    return told[list(IMAGE_COLUMNS)]


def unseen_pictures(compared: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return `splatrig.learned.compare.compare` of held-out expressions as rows of `images.csv`.

    Weights were found from photographs of training cameras; the frames' own fits are called `FITS`, with k = 0.
    """
    inside = compared[compared["region"] == "mask"]
    weights = np.where(inside["method"] == FITS, "fit", "photographs")
    told = inside.assign(
        role=inside["split"], level=level, test="reconstruction", weights=weights, sample=0, lpips=np.nan
    )
    return told[list(IMAGE_COLUMNS)]

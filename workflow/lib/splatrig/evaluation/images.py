"""Summaries of picture scores: from one row a frame, camera and k to one number a method and k."""

import numpy as np
import pandas as pd

from splatrig.evaluation.measures import bootstrap_interval
from splatrig.evaluation.table import MethodTable

IMAGE_COLUMNS = ("method", "level", "k", "expression", "frame", "role", "camera", "psnr", "ssim")
"""Columns of `images.csv`: scores inside of the silhouette of held-out cameras, psnr in dB."""


def summarise_images(images: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return mean PSNR and SSIM per method, level, k and role as rows of `methods.csv`.

    Cameras of one frame are averaged first; the interval is a bootstrap over frames, n counts frames. Infinite PSNR
    (equal pictures) is left out of the mean and of n.
    """
    tables = []
    for (method, level), own in images.groupby(["method", "level"], sort=False):
        table = MethodTable(str(method), str(level))
        for (role, k), rows in own.groupby(["role", "k"], sort=True):
            for metric, unit in (("psnr", "dB"), ("ssim", "0 to 1")):
                finite = rows[np.isfinite(rows[metric])]
                if finite.empty:
                    continue
                per_frame = finite.groupby(["expression", "frame"])[metric].mean().to_numpy()
                interval = bootstrap_interval(per_frame, generator)
                table.add(
                    f"image_{metric}",
                    interval.mean,
                    unit,
                    interval.count,
                    k=int(str(k)),
                    split=str(role),
                    interval=(interval.low, interval.high),
                )
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def fitted_like(fit: pd.DataFrame, images: pd.DataFrame) -> dict[str, float]:
    """Return mean PSNR and SSIM of the fitted frames themselves, over the very frames and cameras of `images`."""
    keys = ["expression", "frame", "camera"]
    pairs = images.loc[images["role"] == "train", keys].drop_duplicates()
    same = fit[fit["region"] == "mask"].merge(pairs, on=keys)
    return {metric: float(same[np.isfinite(same[metric])][metric].mean()) for metric in ("psnr", "ssim")}

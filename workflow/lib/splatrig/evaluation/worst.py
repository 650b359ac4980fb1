"""Sheets of the worst fits: photograph, rendering, error, and the region with the largest error."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from splatrig.animation.heatmap import color_bar
from splatrig.animation.pictures import Picture, beside, contact_sheet, enlarge
from splatrig.animation.render import render, to_bytes
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.regions import REGION_COLUMNS, REGIONS
from splatrig.evaluation.regions import decibels, region_line
from splatrig.evaluation.scene import load_views
from splatrig.gaussians.store import read_fitted_frames

ERROR_RANGE = 0.25
"""Absolute color difference (mean over channels) at which the error map's scale ends."""

ERROR_COLORS = "magma"
"""Color map whose lightness rises evenly with the error."""


def error_map(image: NDArray, photograph: NDArray, inside: NDArray[np.bool_]) -> tuple[NDArray[np.float64], Picture]:
    """Return the absolute difference [H, W] of two images [H, W, 3] inside the silhouette, also as an image."""
    difference = np.abs(image.astype(np.float64) - photograph).mean(axis=2) * inside
    painted = colormaps[ERROR_COLORS](np.clip(difference / ERROR_RANGE, 0.0, 1.0))[..., :3]
    return difference, to_bytes(painted)


def worst_spot(difference: NDArray, size: int) -> tuple[slice, slice]:
    """Return rows and columns of the `size` × `size` window with the largest mean error, inside the image."""
    height, width = difference.shape
    size = min(size, height, width)
    means = uniform_filter(difference, size, mode="constant")
    half = size // 2
    valid = means[half : height - size + half + 1, half : width - size + half + 1]
    top, left = np.unravel_index(int(valid.argmax()), valid.shape)
    return slice(int(top), int(top) + size), slice(int(left), int(left) + size)


def worst_row(image: NDArray, photograph: NDArray, inside: NDArray[np.bool_], height: int) -> list[Picture]:
    """Return photograph, rendering, error map and the two crops of the worst region, all of the same height."""
    difference, painted = error_map(image, photograph, inside)
    rows, columns = worst_spot(difference, max(8, image.shape[0] // 5))
    whole = [enlarge(picture, height) for picture in (to_bytes(photograph), to_bytes(image), painted)]
    width = whole[0].shape[1]
    crops = []
    for source in (photograph, image):
        crop = Image.fromarray(to_bytes(source[rows, columns])).resize((width, width), Image.Resampling.BICUBIC)
        canvas = np.full((height, width, 3), 255, dtype=np.uint8)
        top = max(0, (height - width) // 2)
        canvas[top : top + width] = np.asarray(crop)[: height - top]
        crops.append(canvas)
    return [*whole, *crops]


def picture_worst(
    chosen: pd.DataFrame,
    stores: Mapping[str, str | Path],
    dataset: Path,
    cameras: Cameras,
    height: int,
    device: str | torch.device = "cpu",
) -> tuple[list[list[Picture]], list[str]]:
    """Return rows of images and titles for the views `chosen` by `worst_views`.

    `stores` maps an expression to its fitted frames, `cameras` are all of the capture, in world space.
    """
    rows, titles = [], []
    lines = [region_line(row) for _, row in chosen.iterrows()]
    for view, line in zip(chosen.itertuples(index=False), lines, strict=True):
        camera = cameras.select([cameras.names.index(str(view.camera))])
        views = load_views(Dataset(dataset, camera), f"{view.expression}/{view.frame}")
        gaussians = read_fitted_frames(stores[str(view.expression)], [str(view.frame)]).gaussians[0]
        image = render(gaussians, views.cameras, device=device)[0][0]
        rows.append(worst_row(image, views.photographs[0].numpy(), views.inside[0].numpy(), height))
        name = fill(str(view.expression).replace("_", " "), 24)
        seen_by = f"camera {view.camera} ({str(view.split).replace('_', ' ')})"
        score = f"{view.psnr:.2f} dB, SSIM {view.ssim:.3f}"
        said = [f"worst {view.why}s", name, f"frame {view.frame}", seen_by, score, *([fill(line, 24)] if line else [])]
        titles.append("\n".join(said))
    return rows, titles


def worst_sheet(rows: Sequence[list[Picture]], titles: Sequence[str]) -> Picture:
    """Return the sheet of all worst views, with the scale of the error map."""
    sheet = contact_sheet(
        rows,
        row_titles=titles,
        column_titles=["photographed", "fitted", "error", "worst spot, photographed", "worst spot, fitted"],
        title_width=230,
    )
    bar = color_bar(rows[0][0].shape[0], ERROR_RANGE, "RGB error", colors=ERROR_COLORS, used_share=1.0)
    return beside([sheet, bar])


def camera_table(fit: pd.DataFrame) -> pd.DataFrame:
    """Return mean PSNR and SSIM inside the silhouette per camera over frames, worst first.

    Columns: camera, split, psnr (dB), ssim, worst_psnr (dB), frames, and psnr_{region}, pooled over frames, for each
    region that is known in some camera.
    """
    inside = fit[(fit["region"] == "mask") & np.isfinite(fit["psnr"])]
    table = inside.groupby(["camera", "split"], sort=True).agg(
        psnr=("psnr", "mean"), ssim=("ssim", "mean"), worst_psnr=("psnr", "min"), frames=("psnr", "size")
    )
    sums = inside.groupby(["camera", "split"], sort=True)[list(REGION_COLUMNS)].sum()
    for region in REGIONS:
        squares, pixels = sums[f"sse_{region}"], sums[f"pixels_{region}"]
        known = (squares > 0) & (pixels > 0)
        if known.any():
            table[f"psnr_{region}"] = decibels(squares.where(known), pixels)
    return table.reset_index().sort_values(["psnr", "camera"], kind="stable", ignore_index=True)

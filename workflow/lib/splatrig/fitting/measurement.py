"""Measure a fitted frame against all of its photographs, and show it next to one of them."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.photographs import View
from splatrig.fitting.compare_view import RenderOptions, render_view
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.metrics import ImageMetrics, as_metrics, measured
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.rasterize import Splats, activate

COLUMNS = ("frame", "camera", "split", "region", "psnr", "ssim", "lpips")
ERROR_GAIN = 4.0
"""Gain of the absolute differences in the error image."""
CAMERA_BELOW_DB = 6.0
"""Log a training camera this far below the median of all: its exposure, focus or calibration is probably wrong."""
PICTURE_HEIGHT = 512
"""Maximum height of comparison images, which are reduced by an integer factor; they are for viewing, not for
measuring."""


def compared_views(
    splats: Splats, views: Sequence[View], options: RenderOptions
) -> Iterator[tuple[Tensor, Tensor]]:  # [H, W, 3] each
    """Yield rendering and photograph of Gaussians [N, *] in each view, as they are compared."""
    black = torch.zeros(3, device=splats.means.device)
    for view in views:
        yield render_view(splats, view, options.measuring, black)


@torch.no_grad()
def measure_views(splats: Splats, views: Sequence[View], options: RenderOptions) -> list[dict[str, ImageMetrics]]:
    """Return the metrics of Gaussians [N, *] in each view, by region, over black or the plate; waits for a GPU once."""
    pending = [
        measured(rendered, photographed, view.inside)
        for view, (rendered, photographed) in zip(views, compared_views(splats, views, options), strict=True)
    ]
    return [as_metrics(values) for values in torch.stack(pending).tolist()] if pending else []


def measure_frame(gaussians: Gaussians, frame: FrameData, options: RenderOptions) -> pd.DataFrame:
    """Return the metrics of every camera and region, for whole images over black (or the plate); columns `COLUMNS`."""
    rows = []
    found = measure_views(activate(on_device(gaussians, frame.device)), frame.views, options)
    for view, held_out, own in zip(frame.views, frame.cameras.held_out, found, strict=True):
        split = "held_out" if held_out else "train"
        for region, metrics in own.items():
            rows.append((frame.frame, view.camera, split, region, metrics.psnr, metrics.ssim, metrics.lpips))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@torch.no_grad()
def comparison(
    gaussians: Gaussians, frame: FrameData, options: RenderOptions, camera: int
) -> NDArray[np.uint8]:  # [h, 3w, 3]
    """Return render | photograph | error (times `ERROR_GAIN`) of one camera, cropped to the silhouette, for viewing."""
    view = frame.views[camera].silhouette
    splats, black = activate(on_device(gaussians, frame.device)), torch.zeros(3, device=frame.device)
    rendered, photographed = render_view(splats, view, options.measuring, black)
    error = (rendered - photographed).abs() * ERROR_GAIN
    strip = torch.cat([rendered, photographed, error], dim=1).clamp(0.0, 1.0)
    shrink = -(-strip.shape[0] // PICTURE_HEIGHT)
    if shrink > 1:
        strip = torch.nn.functional.avg_pool2d(strip.permute(2, 0, 1), shrink).permute(1, 2, 0)
    return (strip * 255.0).round().to(torch.uint8).cpu().numpy()


def stacked(strips: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:  # [H, W, 3]
    """Return images of different sizes, stacked vertically with black padding on the right."""
    width = max(strip.shape[1] for strip in strips)
    return np.concatenate([np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0))) for strip in strips])


def measuring_camera(frame: FrameData) -> int:
    """Return the index of the first held-out camera, or 0 when none is held out."""
    return int(np.argmax(frame.cameras.held_out))


def summary(metrics: pd.DataFrame, split: str = "held_out") -> dict[str, float]:
    """Return the mean metrics of a split inside the mask (of all cameras when the split is empty)."""
    rows = metrics[(metrics["split"] == split) & (metrics["region"] == "mask")]
    if rows.empty:
        rows = metrics[metrics["region"] == "mask"]
    return {name: float(rows[name].mean()) for name in ("psnr", "ssim", "lpips")}


def odd_cameras(metrics: pd.DataFrame) -> dict[str, float]:
    """Return the training cameras that are matched far worse than the others, with their gap (dB) to the median."""
    rows = metrics[(metrics["split"] == "train") & (metrics["region"] == "mask")]
    means = rows.groupby("camera")["psnr"].mean()
    below = means.median() - means
    return {str(name): float(value) for name, value in below[below > CAMERA_BELOW_DB].items()}

"""Measure fits by region of the head, in renderings of their own."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from splatrig.dataset.dataset import Dataset
from splatrig.dataset.regions import RegionFolder
from splatrig.evaluation.fit import FIT_REGION_COLUMNS
from splatrig.evaluation.scene import load_views, score_regions
from splatrig.gaussians.store import read_fitted_frames


def fit_regions(
    stores: Iterable[str | Path], dataset: Dataset, regions: RegionFolder, device: str | torch.device = "cpu"
) -> pd.DataFrame:
    """Return the errors of all fitted frames by region, in the cameras of `dataset`, with `FIT_REGION_COLUMNS`."""
    rows = []
    for path in stores:
        fitted = read_fitted_frames(path)
        for frame, gaussians in zip(fitted.frames, fitted.gaussians, strict=True):
            views = load_views(dataset, f"{fitted.expression}/{frame}", regions)
            found = score_regions(gaussians, views, device)
            names = views.cameras.names
            rows += [(fitted.expression, frame, camera, *own) for camera, own in zip(names, found, strict=True)]
    return pd.DataFrame(rows, columns=list(FIT_REGION_COLUMNS))

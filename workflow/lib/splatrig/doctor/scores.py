"""Scores of the agreement of photographs with tracked meshes, per photograph and per camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.doctor.looks import MOMENTS, likeness, usual_look


@dataclass(frozen=True)
class Scores:
    """Correlations of the skin in photographs with its usual appearance, in the same camera or in the others."""

    alike: NDArray[np.float64]  # [M, F, C]
    """Correlation at the meshes of the `MOMENTS` with the camera's usual look; NaN without photograph, mesh or skin."""
    shifted: NDArray[np.float64]  # [M, C]
    """Median over frames of the correlation at the mesh of each moment; for the own mesh over all frames."""
    unshifted: NDArray[np.float64]  # [M, C]
    """The same at the own mesh, only in the frames that have a mesh of the moment."""
    compared: NDArray[np.int64]  # [M, C]
    """Number of frames in these medians."""
    shared: NDArray[np.float64]  # [C]
    """Correlation of a camera's usual look with that of the others."""
    usual_looks: NDArray[np.float32]  # [C, P]
    """Usual appearance of the skin in each camera."""
    inside: NDArray[np.float64]  # [F, C]
    """Fraction of the mesh's silhouette that the matte covers."""

    @property
    def own(self) -> NDArray[np.float64]:  # [F, C]
        """Correlation at the mesh of the photograph's own frame."""
        return self.alike[0]

    @property
    def usual(self) -> NDArray[np.float64]:  # [C]
        """Usual score of each camera, the median of its photographs; NaN if it shows too little of the skin."""
        return _median(self.own)


def scores_of(looks: NDArray[np.floating], inside: NDArray[np.float64]) -> Scores:  # [F, M, C, P], [F, C]
    """Return the scores of all frames."""
    frames, moments, cameras, _ = looks.shape
    alike = np.full((moments, frames, cameras), np.nan)
    shifted, unshifted = np.full((moments, cameras), np.nan), np.full((moments, cameras), np.nan)
    compared = np.zeros((moments, cameras), dtype=np.int64)
    usual = np.full((cameras, looks.shape[-1]), np.nan, dtype=np.float32)
    for camera in range(cameras):
        seen = looks[:, :, camera].astype(np.float32)
        usual[camera] = usual_look(seen[:, 0])
        for row in range(moments):
            alike[row, :, camera] = likeness(seen[:, row], usual[camera])
            own_reference = likeness(seen[:, row], usual_look(seen[:, row]))
            there = np.isfinite(own_reference) & np.isfinite(alike[0, :, camera])
            compared[row, camera] = there.sum()
            if there.any():
                shifted[row, camera] = np.median(own_reference[there])
                unshifted[row, camera] = np.median(alike[0, there, camera])
    return Scores(alike, shifted, unshifted, compared, shared_looks(usual), usual, inside)


def shared_looks(usual: NDArray[np.floating]) -> NDArray[np.float64]:  # [C, P] -> [C]
    """Return the correlation of each camera's usual look with the mean of the others' at the points that these show."""
    shown = np.isfinite(usual)
    total, count = np.where(shown, usual, 0.0).sum(axis=0), shown.sum(axis=0)
    others = count - shown
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(others > 0, (total - np.where(shown, usual, 0.0)) / others, np.nan)
    return likeness(usual, means)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:  # [F, C] -> [C]
    """Return medians over frames; NaN if all values are NaN."""
    shown = np.isfinite(values).any(axis=0)
    return np.where(shown, np.nanmedian(np.where(shown, values, 0.0), axis=0), np.nan)


BEFORE, AFTER = MOMENTS.index(-1), MOMENTS.index(1)

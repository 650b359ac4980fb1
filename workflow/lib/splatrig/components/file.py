"""The component file: deformation components of any family, with everything needed to use them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Components:
    """K components of F frames over D = N · (numbers a Gaussian) columns.

    The invariant: frame ≈ mean + std * (offset + W @ C).
    """

    family: str
    """pca, mbspca, sldc or joint."""
    W: NDArray[np.float32]  # [F, K]
    """Scores (weights) of the training frames."""
    C: NDArray[np.float32]  # [K, D]
    """Components in standardised units."""
    mean: NDArray[np.float32]  # [D]
    """Mean of the training rows, in the attribute's stored unit."""
    std: NDArray[np.float32]  # [D]
    """Standard deviation of the centred data, one number an attribute, repeated."""
    offset: NDArray[np.float32] | None  # [D]
    """The rest shape in standardised units; None when the rest shape is the mean."""
    dim_info: tuple[tuple[str, int, int], ...]
    """(attribute name, first column, end column) in column order; columns of one attribute are (N, d) row-major."""
    faces: NDArray[np.int64]  # [T, 3]
    """Triangles over the N Gaussians."""
    face_mask: NDArray[np.bool_]  # [N]
    """True on the face."""
    frames: tuple[str, ...]
    """F names `expression/frame`, row order of W."""
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    """subject, level, rest, method parameters, input SHA-256, splatrig version."""
    extras: dict[str, NDArray] = field(default_factory=dict)
    """Family-specific arrays by dataset name: pca_explained_variance [K], sldc_objective [iterations], …"""

    def rows(self, W: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return frames [F, D] in stored units for weights `W` [F, K] (default: the training frames')."""
        standardised = (self.W if W is None else W) @ self.C
        if self.offset is not None:
            standardised += self.offset
        return self.mean + self.std * standardised


def write_components(path: str | Path, components: Components) -> None:
    """Write the component file of DESIGN §3 atomically."""
    raise NotImplementedError


def read_components(path: str | Path) -> Components:
    """Read a component file; raise InputError naming the file when it is not one."""
    raise NotImplementedError

"""Gaussians that are left out of a step, so that what a camera sees first must be opaque.

Seen through a translucent front, the far side of the head or the Gaussians behind can stand in for colors that the
front lacks, each for the cameras of its side; from another camera the same gaps show something else. What is hidden
at random cannot be relied on: the random backdrop of the fits, inside the silhouette.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Occlusion:
    """Which Gaussians a step does without."""

    back_faces: float | None
    """Gaussians whose normal turns away from the camera by more than this cosine are hidden; None hides none.
    Without a normal (of length zero) they never are."""
    dropout: float
    """Share of the Gaussians hidden at random, others in every step."""

    def shown(
        self,
        means: Tensor,  # [S, N, 3]
        normals: Tensor,  # [N, 3] unit length, or zero where a Gaussian faces no side
        viewmats: Tensor,  # [S, 4, 4] head space to camera
        keys: Sequence[tuple[int, ...]],
    ) -> Tensor | None:  # [S, N] bool
        """Return what each of S cameras is shown, or None for all; chance follows from the camera's key alone."""
        shown = None
        if self.back_faces is not None:
            eyes = -(viewmats[:, :3, :3] * viewmats[:, :3, 3:]).sum(dim=1)  # -Rᵀ t
            towards = eyes[:, None] - means.detach()
            cosines = (towards * normals).sum(dim=-1)  # times the distance
            shown = cosines.add_(torch.linalg.vector_norm(towards, dim=-1), alpha=self.back_faces) > 0
            if self.back_faces <= 0:  # else a cosine of 0 is shown already
                shown |= (normals == 0).all(dim=-1)
        if self.dropout > 0:
            generator = torch.Generator(means.device)
            chances = torch.empty(means.shape[:2], dtype=means.dtype, device=means.device)
            for row, key in zip(chances, keys, strict=True):
                generator.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
                torch.rand(row.shape, generator=generator, out=row)
            kept = chances >= self.dropout
            shown = kept if shown is None else shown.logical_and_(kept)
        return shown


NOTHING = Occlusion(back_faces=None, dropout=0.0)

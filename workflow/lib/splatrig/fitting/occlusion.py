"""Hide back-facing and randomly dropped Gaussians during training, so that the visible surface must become opaque.

Otherwise the far side of the head, or Gaussians behind a translucent front, can provide colors that the front lacks,
each for the cameras of its side; from a new camera these gaps show something else. The random backdrop of the fits has
the same effect as random dropout, inside the silhouette.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Occlusion:
    """Gaussians that are hidden in a step."""

    back_faces: float | None
    """Gaussians whose normal points away from the camera by more than this cosine are hidden; None hides none.
    Gaussians without a normal (of length zero) are never hidden."""
    dropout: float
    """Fraction of the Gaussians that is hidden at random, different ones in every step."""

    def shown(
        self,
        means: Tensor,  # [S, N, 3]
        normals: Tensor,  # [N, 3] unit length, or zero for a Gaussian without a normal
        viewmats: Tensor,  # [S, 4, 4] head space to camera
        keys: Sequence[tuple[int, ...]],
    ) -> Tensor | None:  # [S, N] bool
        """Return the mask of Gaussians shown to each of S cameras, or None for all; random by the camera's key."""
        shown = None
        if self.back_faces is not None:
            eyes = -(viewmats[:, :3, :3] * viewmats[:, :3, 3:]).sum(dim=1)  # -Rᵀ t
            towards = eyes[:, None] - means.detach()
            cosines = (towards * normals).sum(dim=-1)  # cosine times the distance
            shown = cosines.add_(torch.linalg.vector_norm(towards, dim=-1), alpha=self.back_faces) > 0
            if self.back_faces <= 0:  # otherwise a cosine of 0 would be shown
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

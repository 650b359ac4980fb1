"""Gaussians that are left out of a step, so that what a camera sees first must be opaque.

Seen through a translucent front, the far side of the head or the Gaussians behind can stand in for colours that the
front lacks, each for the cameras of its side; from another camera the same gaps show something else. What is hidden
at random cannot be relied on: the random backdrop of the fits, inside the silhouette.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ALL = 1.0
"""`Hiding.back_faces` that hides nothing."""


@dataclass(frozen=True)
class Hiding:
    """Which Gaussians a step does without."""

    back_faces: float
    """Hidden are those whose normal turns away from the camera by more than this cosine; `ALL`: none."""
    dropout: float
    """Share of the Gaussians hidden at random, others in every step."""

    def shown(
        self,
        means: Tensor,  # [N, 3]
        normals: Tensor,  # [N, 3] unit length
        viewmat: Tensor,  # [4, 4] head space to camera
        key: tuple[int, ...],
    ) -> Tensor | None:  # [N]
        """Return 1 for what a camera is shown and 0 for what is hidden, or None for all; chance follows from `key`."""
        shown = None
        if self.back_faces < ALL:
            eye = -(viewmat[:3, :3].T @ viewmat[:3, 3])
            towards = torch.nn.functional.normalize(eye - means.detach(), dim=-1)
            shown = ((normals * towards).sum(dim=-1) > -self.back_faces).to(means.dtype)
        if self.dropout > 0:
            seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
            generator = torch.Generator(means.device).manual_seed(seed)
            kept = torch.rand(len(means), generator=generator, device=means.device, dtype=means.dtype) >= self.dropout
            shown = kept.to(means.dtype) if shown is None else shown * kept
        return shown

"""Random Gaussians for tests."""

import numpy as np

from splatrig.gaussians.gaussians import SHAPES, Gaussians


def random_gaussians(count: int, seed: int = 0) -> Gaussians:
    """Unit quaternions; everything else normal."""
    generator = np.random.default_rng(seed)
    fields = {name: generator.normal(size=(count, *shape)).astype(np.float32) for name, shape in SHAPES.items()}
    fields["quats"] /= np.linalg.norm(fields["quats"], axis=1, keepdims=True)
    return Gaussians(**fields)

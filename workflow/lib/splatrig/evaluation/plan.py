"""Which methods an evaluation compares, at which numbers of components, and what it leaves out.

All of it follows from the configuration, before anything runs.
"""

from collections.abc import Sequence

from splatrig.config.models import Config

BASE = "base"
"""Sparse PCA is too slow for finer levels, and so are sweeps, which learn methods many times."""

Method = tuple[str, str]
"""A method, named as its component file, and its level."""


def sparse_pca_count(k: int) -> int:
    """Return how many components sparse PCA finds where other methods find `k`: half as many, since it is slow."""
    return max(1, k // 2)


def curve_counts(k: int) -> list[int]:
    """Return the numbers of components, rising to `k`, at which curves against their number are measured.

    One and two, where curves fall steeply, and quarters of `k`.
    """
    return sorted({count for count in (1, 2, round(k / 4), round(k / 2), round(3 * k / 4), k) if 1 <= count <= k})


def compared(config: Config, levels: Sequence[str]) -> list[Method]:
    """Return the methods side by side; `levels`: coarsest first.

    The original's four, sparse PCA, rigs learned through the rasterizer, and coarse PCA carried up. Local components
    are those of the centers, or of all attributes with one locality; of another attribute they are made, and not
    compared.
    """
    finest, sldc = levels[-1], config.components.sldc
    attribute = "all" if sldc.attribute == "all" else "xyz"  # tables need centers
    methods = ["pca_all", "pca_xyz", *(f"sldc_{support}_{attribute}" for support in sldc.supports.used)]
    learned = [f"learned_{family}" for family in config.learned.families]
    return [
        *((method, finest) for method in methods),
        ("mbspca_xyz", BASE),
        *((method, finest) for method in learned),
        *(("upsampled_pca_all", level) for level in levels[:-1]),
    ]


def finding_steps(steps: int) -> int:
    """Return in how many steps free Gaussians are found where rigs are learned in `steps`."""
    return max(1, steps // 3)


def swept(config: Config) -> list[str]:
    """Return the methods learned anew for curves against k and λ, and without one expression: of the centers."""
    return ["pca_xyz", *(f"sldc_{support}_xyz" for support in config.components.sldc.supports.used), "mbspca_xyz"]


def sweep_counts(method: str, k: int) -> list[int]:
    """Return the numbers of components at which a method is learned anew; sparse PCA up to its own."""
    most = sparse_pca_count(k) if method.startswith("mbspca_") else k
    return [count for count in curve_counts(k) if count <= most]


def left_out_counts(method: str, k: int) -> list[int]:
    """Return those at which it is also learned without one expression at a time; of sparse PCA the two largest."""
    counts = sweep_counts(method, k)
    return counts[-2:] if method.startswith("mbspca_") else counts


def folds(config: Config, expressions: Sequence[str]) -> list[str]:
    """Return the expressions that learned rigs are learned without, one at a time, spread over those that can be."""
    kept = {config.neutral, *config.capture.held_out.expressions}
    candidates = [name for name in expressions if name not in kept]
    count = config.evaluation.learned_folds if config.learned.families else 0
    return [candidates[index * len(candidates) // count] for index in range(count)]


def pictured(config: Config) -> list[str]:
    """Return the families whose components are pictured; of learned rigs those that are made."""
    made = {f"learned_{family}" for family in config.learned.families}
    return [family for family in config.rendering.families if not family.startswith("learned_") or family in made]

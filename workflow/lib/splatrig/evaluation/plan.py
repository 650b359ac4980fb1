"""Plan of an evaluation: methods to compare, numbers of components, and expressions to leave out.

All of it follows from the configuration, before anything runs.
"""

from collections.abc import Sequence

from splatrig.components.fields import ATTRIBUTES
from splatrig.config.models import Config
from splatrig.config.support_maps import SUPPORT_MAPS

FAMILIES = {
    "pca": [*ATTRIBUTES, "all"],
    "mbspca": [*ATTRIBUTES],
    "sldc": [f"{support}_{attribute}" for support in SUPPORT_MAPS for attribute in (*ATTRIBUTES, "all")],
    "learned": ["arkit", "global", "local"],
}
"""Names of the families that rules make, by kind."""

BASE = "base"
"""Level of sparse PCA, which is too slow for finer ones, and of sweeps, which learn methods many times."""

Method = tuple[str, str]
"""Name of a method (that of its component file), and its level."""


def sparse_pca_count(k: int) -> int:
    """Return the number of components of sparse PCA where other methods have `k`: half of it, since it is slow."""
    return max(1, k // 2)


def curve_counts(k: int) -> list[int]:
    """Return the numbers of components, rising to `k`, at which curves are measured.

    These are one and two, where curves are steep, and quarters of `k`.
    """
    return sorted({count for count in (1, 2, round(k / 4), round(k / 2), round(3 * k / 4), k) if 1 <= count <= k})


def compared(config: Config, levels: Sequence[str]) -> list[Method]:
    """Return the methods that are compared, given `levels` (coarsest first).

    These are the original project's four, sparse PCA, rigs learned through the rasterizer, and upsampled coarse PCA.
    Local components are compared for centers, or for all attributes with one locality; for other single attributes they
    are made, but not compared.
    """
    finest, sldc = levels[-1], config.components.sldc
    attribute = "all" if sldc.attribute == "all" else "xyz"  # the tables need methods that move centers
    methods = ["pca_all", "pca_xyz", *(f"sldc_{support}_{attribute}" for support in sldc.supports.used)]
    learned = [f"learned_{family}" for family in config.learned.families]
    return [
        *((method, finest) for method in methods),
        ("mbspca_xyz", BASE),
        *((method, finest) for method in learned),
        *(("upsampled_pca_all", level) for level in levels[:-1]),
    ]


def finding_steps(steps: int) -> int:
    """Return the number of steps in which free Gaussians are found when rigs are learned in `steps`."""
    return max(1, steps // 3)


def swept(config: Config) -> list[str]:
    """Return the methods, on centers, that are learned again for curves over k and λ and for left-out expressions."""
    return ["pca_xyz", *(f"sldc_{support}_xyz" for support in config.components.sldc.supports.used), "mbspca_xyz"]


def sweep_counts(method: str, k: int) -> list[int]:
    """Return the numbers of components at which a method is learned again; for sparse PCA up to its own number."""
    most = sparse_pca_count(k) if method.startswith("mbspca_") else k
    return [count for count in curve_counts(k) if count <= most]


def left_out_counts(method: str, k: int) -> list[int]:
    """Return the numbers of components at which expressions are left out in turn; for sparse PCA the two largest."""
    counts = sweep_counts(method, k)
    return counts[-2:] if method.startswith("mbspca_") else counts


def folds(config: Config, expressions: Sequence[str]) -> list[str]:
    """Return the expressions that learned rigs are learned without, one at a time, spread over the possible ones."""
    kept = {config.neutral, *config.capture.held_out.expressions}
    candidates = [name for name in expressions if name not in kept]
    count = config.evaluation.learned_folds if config.learned.families else 0
    return [candidates[index * len(candidates) // count] for index in range(count)]


def pictured(config: Config) -> list[str]:
    """Return the families whose components are rendered; of learned rigs, those that are made."""
    made = {f"learned_{family}" for family in config.learned.families}
    return [family for family in config.rendering.families if not family.startswith("learned_") or family in made]

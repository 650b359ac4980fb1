"""Numbers of components that follow from the one that is asked for."""


def sparse_pca_count(k: int) -> int:
    """Return how many components sparse PCA finds where other methods find `k`: half as many, since it is slow."""
    return max(1, k // 2)


def curve_counts(k: int) -> list[int]:
    """Return the numbers of components, rising to `k`, at which curves against their number are measured.

    One and two, where curves fall steeply, and quarters of `k`.
    """
    return sorted({count for count in (1, 2, round(k / 4), round(k / 2), round(3 * k / 4), k) if 1 <= count <= k})

"""Interpolate the components of a coarse level to the finest one by the midpoint operators.

Attribute by attribute, the change due to a coarse component, in stored units, is interpolated to the new Gaussians and
divided by the fine level's STD. This is exact for fields that are linear along edges. Interpolated components are no
longer orthonormal, so a thin SVD of the rank-K product W C gives new ones with the same product.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from splatrig.components.component_file import Components
from splatrig.components.matrix import Decomposition, Standardization
from splatrig.io.errors import InputError


def upsample(
    coarse: Components,
    operator: csr_array,  # [N_fine, N_coarse]
    fine: Standardization,
) -> Decomposition:
    """Return `coarse` on the finer level: the same product of scores and components, with orthonormal rows [K, D_fine].

    Args:
        coarse: Components of the coarse level.
        operator: Midpoint operator [V_fine, V_coarse].
        fine: Standardization of the finer level.

    Raises:
        InputError: Attributes or sizes of the two levels do not match.
    """
    names, fine_names = list(coarse.columns.names), list(fine.columns.names)
    if names != fine_names:
        raise InputError(
            f"upsampling: expected the same attributes at both levels, got {names} (coarse) and {fine_names} (fine)."
        )
    new, old = operator.shape
    C = np.empty((len(coarse), len(fine.columns)), dtype=np.float32)
    with threadpool_limits(limits=1):
        for number, ((_, first, last), (name, start, stop)) in enumerate(
            zip(coarse.columns.spans, fine.columns.spans, strict=True)
        ):
            width = (last - first) // old
            if (last - first, stop - start) != (old * width, new * width):
                raise InputError(
                    f"upsampling {name}: the operator is for {old} to {new} Gaussians, the components have "
                    f"{(last - first) / width:g} and the fine rows {(stop - start) / width:g}."
                )
            moved = (coarse.C[:, first:last] * coarse.std[first:last]).reshape(-1, old, width)
            for k, field in enumerate(moved):
                C[k, start:stop] = (operator @ field).ravel() / fine.scales[number]
        W, C, variances = orthonormal(coarse.W, C)
    return Decomposition("pca", W, C, fine, explained_variance=variances)


def orthonormal(
    W: NDArray[np.float32],  # [F, K]
    C: NDArray[np.float32],  # [K, D]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Return W', C' with W' C' = W C, orthonormal rows of C', decreasing variances [K'], largest entries positive.

    Directions that W C does not span are dropped, so K' may be less than K.
    """
    gram = sum(
        (part @ part.T for part in np.array_split(C.astype(np.float64), max(1, C.shape[1] // 65536), axis=1)),
        start=np.zeros((len(C), len(C))),
    )
    values, vectors = np.linalg.eigh(gram)
    root = vectors * np.sqrt(values.clip(min=0.0))  # gram = root rootᵀ
    left, singular, right = np.linalg.svd(W.astype(np.float64) @ root, full_matrices=False)
    kept = int(np.count_nonzero(singular > 1e-6 * singular[0])) if singular[0] > 0 else 0
    if kept == 0:
        raise InputError(
            "upsampling: expected coarse components that move something, got zeros; check the capture and its tracking."
        )
    inverse_root = np.where(values > 1e-12 * values[-1], 1 / np.sqrt(values.clip(min=1e-300)), 0.0)
    new = ((right[:kept] * inverse_root) @ vectors.T).astype(np.float32) @ C
    signs = np.sign(new[np.arange(kept), np.abs(new).argmax(axis=1)])
    scores = left[:, :kept] * singular[:kept]
    variances = singular[:kept] ** 2 / (len(W) - 1)
    return (scores * signs).astype(np.float32), new * signs[:, None], variances

"""The elementwise half of an ADMM step in one pass, since it is bound by memory bandwidth rather than arithmetic."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.jobs.kernels import cached_njit

Floats = NDArray[np.floating]


_kernel: Any = cached_njit(nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")


@_kernel
def shrink_step(
    A: Floats,  # [K, d, B] the least-squares part without `base`
    base: Floats,  # [K, d, B]
    Z: Floats,  # [K, d, B] overwritten
    U: Floats,  # [K, d, B] overwritten
    difference: Floats,  # [K, d, B] overwritten by the new Z - U
    limits: Floats,  # [K, B] thresholds of the row lengths
    relaxation: float,
) -> tuple[float, float]:
    """Shrink over-relaxed A + base + U to Z and update U; return the squared primal and dual residuals.

    Z = V max(0, 1 - limit / ‖V‖) with V = relaxation (A + base) + (1 - relaxation) Z + U and norms over d, and
    U = V - Z. The residuals are ‖A + base - Z‖² and the squared change of Z.
    """
    count, width, size = A.shape
    over = A.dtype.type(relaxation)
    rest = A.dtype.type(1.0 - relaxation)
    zero = A.dtype.type(0.0)
    one = A.dtype.type(1.0)
    lengths = np.empty(size, A.dtype)
    primal = 0.0
    dual = 0.0
    for k in range(count):
        lengths[:] = zero
        for j in range(width):
            for i in range(size):
                v = over * (A[k, j, i] + base[k, j, i]) + rest * Z[k, j, i] + U[k, j, i]
                difference[k, j, i] = v
                lengths[i] += v * v
        for i in range(size):
            length = np.sqrt(lengths[i])
            limit = limits[k, i]
            lengths[i] = one - limit / length if length > limit else zero
        row_primal = zero
        row_dual = zero
        for j in range(width):
            for i in range(size):
                v = difference[k, j, i]
                z = v * lengths[i]
                off = A[k, j, i] + base[k, j, i] - z
                row_primal += off * off
                moved = z - Z[k, j, i]
                row_dual += moved * moved
                Z[k, j, i] = z
                U[k, j, i] = v - z
                difference[k, j, i] = z + z - v
        primal += float(row_primal)
        dual += float(row_dual)
    return primal, dual

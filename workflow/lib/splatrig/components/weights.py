"""The one solver for weights that match a target: free, bounded, or from a few pinned points.

With G = B Bᵀ the Gram matrix of the components (or of their rows at a few pins) and m = B t the moments of a target,
the weights minimize

    wᵀ G w - 2 mᵀ w + Σ_k p_k w_k²  low ≤ w ≤ high

`workflow/web/src/solve.js` mirrors it for the page; a test checks both on the same values.
"""

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.io.errors import InputError
from splatrig.jobs.kernels import cached_njit

Bounds = tuple[float, float] | tuple[NDArray[np.float64], NDArray[np.float64]]  # [K] each
"""Least and greatest weights."""

SWEEPS = 60
"""Maximum number of coordinate-descent sweeps that determine which weights end at their bounds."""

SETTLED = 1e-6
"""The sweeps end early when no weight changes by more than this fraction of the largest one."""

STEPS_PER_COMPONENT = 6
"""Limit on active-set steps, per component; in practice fewer than one per component suffice."""

ROUNDING = 1e-11
"""Relative size below which steps and slopes are rounding errors."""

REPEATED = 1e-13
"""A component counts as linearly dependent if the others leave less than this fraction of it."""


def fit_weights(
    targets: NDArray,
    basis: NDArray,
    *,
    ridge: float = 0.0,
    limits: Bounds | None = None,
) -> NDArray[np.float32]:  # [F, K]
    """Return W minimizing ‖targets - W basis‖² + ridge · mean(diag G) · ‖W‖² for `targets` [F, D], `basis` [K, D].

    If components are linearly dependent and there are no `limits`, the weights have the smallest norm.
    """
    gram = (basis @ basis.T).astype(np.float64)
    moments = (np.asarray(targets, dtype=basis.dtype) @ basis.T).astype(np.float64)
    return solve_weights(gram, moments, ridge=ridge, limits=limits).astype(np.float32)


def weights_of_displacements(
    components: Components,
    displacements: NDArray,  # [F, N, 3] millimeters from the rest face
    *,
    ridge: float = 0.0,
    mask: NDArray[np.bool_] | None = None,  # [N]
    scale: NDArray | None = None,  # [K]
) -> NDArray[np.float64]:  # [F, K]
    """Return the weights that move the structured centers most like `displacements`, within the model's limits.

    Args:
        components: Components that move centers.
        displacements: Target displacements [F, N, 3] in millimeters from the rest face.
        ridge: Regularization, relative to the mean squared length of a component.
        mask: Gaussians [N] to use; None: all.
        scale: Unit of each weight in the regularization.

    Raises:
        InputError: The components move no centers.

    Example:
        >>> weights = weights_of_displacements(components, meshes - neutral, ridge=1e-3)  # [F, K]
    """
    basis = positions(components)
    if mask is not None:
        basis, displacements = basis[:, mask], displacements[:, mask]
    flat = basis.reshape(len(basis), -1).astype(np.float64)
    targets = np.asarray(displacements, dtype=np.float64).reshape(len(displacements), -1)
    units = np.ones(len(flat)) if scale is None else np.asarray(scale, dtype=np.float64)
    gram, moments = (flat @ flat.T) * np.outer(units, units), (targets @ flat.T) * units
    low, high = limits_of(components)
    return units * solve_weights(gram, moments, ridge=ridge, limits=(low / units, high / units))


def weights_of_rows(
    components: Components,
    rows: NDArray,  # [F, D] in stored units
    *,
    ridge: float = 0.0,
    mask: NDArray[np.bool_] | None = None,  # [N]
) -> NDArray[np.float32]:  # [F, K]
    """Return the weights within the model's limits whose rows are closest to `rows`, in standardized units.

    `mask` leaves out Gaussians that are False.
    """
    wanted, C = components.standardize(np.asarray(rows, dtype=np.float32)), components.C
    if mask is not None:
        columns = components.columns.of_gaussians(mask)
        wanted, C = wanted[:, columns], C[:, columns]
    return fit_weights(wanted, C, ridge=ridge, limits=limits_of(components))


def positions(components: Components) -> NDArray[np.float32]:  # [K, N, 3]
    """Return the displacement of the structured centers per unit of weight, [K, N, 3] in millimeters.

    Raises InputError when the components move no centers.
    """
    if components.displacements is None:
        raise InputError(
            f"components of {', '.join(components.columns.names)}: expected xyz among them; only components that move "
            "can be fitted."
        )
    return components.displacements


def limits_of(components: Components) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest weight [K] that the model allows; infinite where unbounded."""
    low, high = components.limits or (-np.inf, np.inf)
    eyes = components.turns_eye
    return np.where(eyes, 0.0, low), np.where(eyes, 1.0, high)


def solve_weights(
    gram: NDArray[np.float64],  # [K, K]
    moments: NDArray[np.float64],  # [F, K]
    *,
    ridge: float = 0.0,
    limits: Bounds | None = None,
) -> NDArray[np.float64]:  # [F, K]
    """Return the weights that minimize wᵀ G w - 2 mᵀ w + p Σ w² for each row of `moments`.

    p is `ridge` times the mean diagonal of `gram`. Without finite `limits` the pseudo-inverse is used. With them, a
    primal active-set method (Nocedal and Wright 2006, algorithm 16.3) starts from the result of coordinate descent. It
    is exact and takes at most `STEPS_PER_COMPONENT` · K steps; the weights are within the limits at every step.
    """
    count = len(gram)
    penalty = ridge * np.trace(gram) / max(count, 1)
    damped = np.ascontiguousarray(gram + penalty * np.eye(count), dtype=np.float64)
    bounded = limits is not None and not np.all(np.isinf(limits[0]) & np.isinf(limits[1]))
    weights = np.zeros(moments.shape)
    if not (bounded and penalty > 0.0):  # a penalty on all weights makes the optimum unique, whatever the start
        weights = moments @ np.linalg.pinv(damped, rcond=1e-10, hermitian=True)
    if limits is None or not bounded:
        return weights
    low, high = (np.broadcast_to(np.asarray(bound, dtype=np.float64), (count,)).copy() for bound in limits)
    weights = np.clip(weights, low, high)
    _bounded(damped, np.ascontiguousarray(moments, dtype=np.float64), low, high, weights)
    return weights


FREE, AT_LOW, AT_HIGH, STUCK = 0, 1, 2, 3
"""State of a weight in the solve: between its bounds, at one of them, or stuck because the bounds are equal."""


@cached_njit()
def _bounded(gram, moments, low, high, weights):  # type: ignore[no-untyped-def]
    """Move the feasible `weights` [F, K] to the optimum, in place."""
    for f in range(len(moments)):
        _descend(gram, moments[f], low, high, weights[f])
        _exact(gram, moments[f], low, high, weights[f])


@cached_njit()
def _descend(gram, moment, low, high, w):  # type: ignore[no-untyped-def]
    """Run coordinate descent on the weights until a sweep changes little."""
    K = len(w)
    left = moment - gram @ w
    for _ in range(SWEEPS):
        largest_step, largest = 0.0, 1e-12
        for k in range(K):
            if gram[k, k] <= 0.0:
                continue
            wanted = min(max(w[k] + left[k] / gram[k, k], low[k]), high[k])
            step = wanted - w[k]
            if step != 0.0:
                w[k] = wanted
                for j in range(K):
                    left[j] -= gram[k, j] * step
            largest_step, largest = max(largest_step, abs(step)), max(largest, abs(wanted))
        if largest_step <= SETTLED * largest:
            break


@cached_njit()
def _exact(gram, moment, low, high, w):  # type: ignore[no-untyped-def]
    """Continue to the optimum by exact solves for the weights between their bounds."""
    K = len(w)
    side, step, factor = np.zeros(K, np.int64), np.zeros(K), np.empty((K, K))
    left = moment - gram @ w  # minus half the gradient
    noise = ROUNDING * (1.0 + np.abs(moment).max())
    for k in range(K):
        if high[k] <= low[k]:
            side[k] = STUCK
        elif w[k] <= low[k] and left[k] <= 0.0:
            side[k] = AT_LOW
        elif w[k] >= high[k] and left[k] >= 0.0:
            side[k] = AT_HIGH
    for _ in range(STEPS_PER_COMPONENT * K):
        free = np.flatnonzero(side == FREE)
        _step_to_optimum(gram, left, free, factor, step)
        first, fraction = -1, 1.0
        for i, component in enumerate(free):
            if abs(step[i]) > ROUNDING:
                room = (low[component] if step[i] < 0 else high[component]) - w[component]
                if room / step[i] < fraction:
                    first, fraction = i, max(room / step[i], 0.0)
        for i, component in enumerate(free):
            w[component] += fraction * step[i]
        if first >= 0:
            at_low = step[first] < 0
            side[free[first]] = AT_LOW if at_low else AT_HIGH
            w[free[first]] = low[free[first]] if at_low else high[free[first]]
        left = moment - gram @ w
        if first >= 0:
            continue
        best, gain = -1, noise
        for k in range(K):
            if side[k] == AT_LOW or side[k] == AT_HIGH:
                downhill = left[k] if side[k] == AT_LOW else -left[k]
                if downhill > gain:
                    best, gain = k, downhill
        if best < 0:
            break
        side[best] = FREE
    for k in range(K):
        w[k] = min(max(w[k], low[k]), high[k])


@cached_njit()
def _step_to_optimum(gram, left, free, factor, step):  # type: ignore[no-untyped-def]
    """Fill `step` [len(free)] with the step to the optimum of the weights `free`, by Cholesky's `factor` [K, K].

    A component that depends linearly on the ones before it is left unchanged.
    """
    for i, k in enumerate(free):
        value = left[k]
        for j in range(i + 1):
            product = gram[k, free[j]]
            for m in range(j):
                product -= factor[i, m] * factor[j, m]
            if j < i:
                factor[i, j] = product / factor[j, j]
                value -= factor[i, j] * step[j]
            else:
                factor[i, i] = np.sqrt(product) if product > REPEATED * gram[k, k] else np.inf
        step[i] = value / factor[i, i]
    for i in range(len(free) - 1, -1, -1):
        value = step[i]
        for m in range(i + 1, len(free)):
            value -= factor[m, i] * step[m]
        step[i] = value / factor[i, i]

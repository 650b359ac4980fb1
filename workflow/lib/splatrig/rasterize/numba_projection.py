"""Compiled projection of Gaussians to splats of one view, including spherical harmonics, and its gradients.

The mathematics of `splatrig.rasterize.scene` and `splatrig.gaussians.sh` in one pass over the Gaussians instead of
about a hundred tensor operations, with hand-derived gradients. With Σ = M Mᵀ, M = W R diag(scales), only the two rows
of J M are needed. Arithmetic is in float64 whatever the precision of the arrays, at no cost for one Gaussian at a time.

Layouts shared with other files are dtypes and named tuples, which are part of a kernel's signature, because numba's
on-disk cache tracks only the file of a kernel. The cache also looks up the tuples by name, and fails for a name that no
longer exists before it notices that the file has changed. So rename a tuple only together with a change of its kernels'
line numbers, which are part of the cache's file names.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from splatrig.jobs.kernels import cached_njit

Array = Any
"""A NumPy array whose precision numba infers."""

NO_SH = -1
"""Degree that stands for plain RGB colors."""

_kernel: Any = cached_njit(nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")


class GaussianArrays(NamedTuple):
    """N activated Gaussians, or the gradients of a loss with respect to them."""

    means: Array  # [N, 3]
    quats: Array  # [N, 4]
    scales: Array  # [N, 3]
    opacities: Array  # [N]
    colors: Array  # [N, K, 3]; K = 1 for plain colors


class Camera(NamedTuple):
    """One view; see `splatrig.rasterize.scene.Views`."""

    W: Array  # [3, 3] float64
    """Rotation from head space to camera."""
    t: Array  # [3] float64
    center: Array  # [3] float64
    """Camera center in head space."""
    fx: float
    fy: float
    cx: float
    cy: float
    u_limits: tuple[float, float]
    """Limits of x / z in the Jacobian."""
    v_limits: tuple[float, float]
    """Limits of y / z in the Jacobian."""
    near: float
    eps_2d: float


@_kernel
def project(
    part: int, parts: int, gaussians: GaussianArrays, camera: Camera, degree: int, splats: Array, depths: Array
) -> int:
    """Write `splats` and `depths` [N] of one part of the Gaussians; those nearer than `near` get opacity 0.

    Returns the index of a Gaussian that is not finite, is too large for float64 or has a zero quaternion, or -1.
    """
    count = len(depths)
    basis = np.empty(16, gaussians.colors.dtype)
    bad = -1
    for g in range(count * part // parts, count * (part + 1) // parts):
        (x, y, z), rotated, norm = _to_camera(gaussians, camera, g)
        s0, s1, s2 = _row3(gaussians.scales, g)
        depths[g] = z
        splat = splats[g]
        splat.opacity = 0
        if not (math.isfinite(x + y + z + norm + s0 + s1 + s2 + gaussians.opacities[g]) and norm > 0):
            bad = g
            continue
        if z < camera.near:
            continue
        e0, e1, _, _ = _jacobian_rows((x, y, z), rotated, camera)
        j00, j01, j02 = e0[0] * s0, e0[1] * s1, e0[2] * s2
        j10, j11, j12 = e1[0] * s0, e1[1] * s1, e1[2] * s2
        xx = j00 * j00 + j01 * j01 + j02 * j02
        xy = j00 * j10 + j01 * j11 + j02 * j12
        yy = j10 * j10 + j11 * j11 + j12 * j12
        # xx yy - xy² as a sum of squares (Cauchy-Binet): a difference would cancel for needle-shaped Gaussians
        minors = (j00 * j11 - j01 * j10) ** 2 + (j00 * j12 - j02 * j10) ** 2 + (j01 * j12 - j02 * j11) ** 2
        det = minors + camera.eps_2d * (xx + yy + camera.eps_2d)
        if not math.isfinite(det):
            bad = g
            continue
        xx += camera.eps_2d
        yy += camera.eps_2d
        splat.x, splat.y = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        splat.a, splat.b, splat.c = yy / det, -xy / det, xx / det
        splat.half_width, splat.half_height = math.sqrt(xx), math.sqrt(yy)
        splat.opacity = gaussians.opacities[g]
        color = gaussians.colors[g]
        red, green, blue = color[0, 0], color[0, 1], color[0, 2]
        if degree != NO_SH:
            _basis(_direction(gaussians.means, g, camera.center)[0], degree, basis)
            red = green = blue = basis.dtype.type(0.5)
            for k in range((degree + 1) ** 2):
                red += basis[k] * color[k, 0]
                green += basis[k] * color[k, 1]
                blue += basis[k] * color[k, 2]
        if not math.isfinite(red + green + blue):
            bad = g
        if degree != NO_SH:
            zero = basis.dtype.type(0)
            red, green, blue = max(red, zero), max(green, zero), max(blue, zero)
        splat.red, splat.green, splat.blue = red, green, blue
    return bad


@_kernel
def project_backward(
    part: int,
    parts: int,
    gaussians: GaussianArrays,
    camera: Camera,
    degree: int,
    splats: Array,
    splat_grads: Array,
    grads: GaussianArrays,
) -> None:
    """Write the gradients of one part of the Gaussians from those of their splats; reverse of `project`."""
    count = len(splats)
    basis = np.empty(16, gaussians.colors.dtype)
    slopes = np.empty((16, 3), gaussians.colors.dtype)
    for g in range(count * part // parts, count * (part + 1) // parts):
        splat, splat_grad = splats[g], splat_grads[g]
        if splat.opacity == 0:
            grads.means[g], grads.quats[g], grads.scales[g], grads.opacities[g], grads.colors[g] = 0, 0, 0, 0, 0
            continue
        grads.opacities[g] = splat_grad.opacity
        mean_grad = _shape_backward(gaussians, camera, g, splat, splat_grad, grads)
        if degree == NO_SH:
            color_grad = grads.colors[g, 0]
            color_grad[0], color_grad[1], color_grad[2] = splat_grad.red, splat_grad.green, splat_grad.blue
        else:
            direction, distance = _direction(gaussians.means, g, camera.center)
            _basis(direction, degree, basis)
            _basis_slopes(direction, degree, slopes)
            slope = _color_backward(gaussians.colors[g], degree, basis, slopes, splat, splat_grad, grads.colors[g])
            along = slope[0] * direction[0] + slope[1] * direction[1] + slope[2] * direction[2]
            mean_grad = (
                mean_grad[0] + (slope[0] - along * direction[0]) / distance,
                mean_grad[1] + (slope[1] - along * direction[1]) / distance,
                mean_grad[2] + (slope[2] - along * direction[2]) / distance,
            )
        grads.means[g, 0], grads.means[g, 1], grads.means[g, 2] = mean_grad


@_kernel
def _row3(array: Array, g: int) -> tuple[float, float, float]:
    return np.float64(array[g, 0]), np.float64(array[g, 1]), np.float64(array[g, 2])


@_kernel
def _times(M: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return M (x, y, z)."""
    return (
        M[0, 0] * x + M[0, 1] * y + M[0, 2] * z,
        M[1, 0] * x + M[1, 1] * y + M[1, 2] * z,
        M[2, 0] * x + M[2, 1] * y + M[2, 2] * z,
    )


@_kernel
def _unit_quat(quats: Array, g: int) -> tuple[float, float, float, float, float]:
    """Return w, x, y, z of the normalized quaternion and its length before normalization."""
    w, x, y, z = np.float64(quats[g, 0]), np.float64(quats[g, 1]), np.float64(quats[g, 2]), np.float64(quats[g, 3])
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    return w / norm, x / norm, y / norm, z / norm, norm


@_kernel
def _to_camera(gaussians: GaussianArrays, camera: Camera, g: int) -> Any:
    """Return center (x, y, z), the Gaussian's axes (columns of W R, three tuples) in camera space, and |quat|."""
    mx, my, mz = _row3(gaussians.means, g)
    x, y, z = _times(camera.W, mx, my, mz)
    qw, qx, qy, qz, norm = _unit_quat(gaussians.quats, g)
    axes = (
        _times(camera.W, 1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy + qw * qz), 2 * (qx * qz - qw * qy)),
        _times(camera.W, 2 * (qx * qy - qw * qz), 1 - 2 * (qx * qx + qz * qz), 2 * (qy * qz + qw * qx)),
        _times(camera.W, 2 * (qx * qz + qw * qy), 2 * (qy * qz - qw * qx), 1 - 2 * (qx * qx + qy * qy)),
    )
    return (x + camera.t[0], y + camera.t[1], z + camera.t[2]), axes, norm


@_kernel
def _jacobian_rows(center: tuple[float, float, float], axes: Any, camera: Camera) -> Any:
    """Return the rows of J W R (three values each) and the clamped x / z, y / z at which J is evaluated."""
    x, y, z = center
    u = min(max(x / z, camera.u_limits[0]), camera.u_limits[1])
    v = min(max(y / z, camera.v_limits[0]), camera.v_limits[1])
    a0, a1, a2 = axes
    per_x, per_y = camera.fx / z, camera.fy / z
    e0 = (per_x * (a0[0] - u * a0[2]), per_x * (a1[0] - u * a1[2]), per_x * (a2[0] - u * a2[2]))
    e1 = (per_y * (a0[1] - v * a0[2]), per_y * (a1[1] - v * a1[2]), per_y * (a2[1] - v * a2[2]))
    return e0, e1, u, v


@_kernel
def _covariance_grad(splat: Any, splat_grad: Any) -> tuple[float, float, float]:
    """Return dL/d(xx, xy, yy) of the 2D covariance: with Q its inverse, dL/dΣ = -Q dL/dQ Q."""
    a, b, c = np.float64(splat.a), np.float64(splat.b), np.float64(splat.c)
    d_a, half_d_b, d_c = np.float64(splat_grad.a), 0.5 * splat_grad.b, np.float64(splat_grad.c)
    h00, h01 = a * d_a + b * half_d_b, a * half_d_b + b * d_c
    h10, h11 = b * d_a + c * half_d_b, b * half_d_b + c * d_c
    return -(h00 * a + h01 * b), -2 * (h00 * b + h01 * c), -(h10 * b + h11 * c)


@_kernel
def _shape_backward(
    gaussians: GaussianArrays, camera: Camera, g: int, splat: Any, splat_grad: Any, grads: GaussianArrays
) -> tuple[float, float, float]:
    """Write the gradients of scales and quaternion; return that of the center (without that of the color)."""
    center, axes, _ = _to_camera(gaussians, camera, g)
    x, y, z = center
    e0, e1, u, v = _jacobian_rows(center, axes, camera)
    d_xx, d_xy, d_yy = _covariance_grad(splat, splat_grad)
    per_x, per_y = camera.fx / z, camera.fy / z
    d_u = d_v = d_z = 0.0
    d_axes = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    for k in range(3):
        scale = np.float64(gaussians.scales[g, k])
        j0, j1 = e0[k] * scale, e1[k] * scale
        d_j0, d_j1 = 2 * d_xx * j0 + d_xy * j1, 2 * d_yy * j1 + d_xy * j0
        grads.scales[g, k] = d_j0 * e0[k] + d_j1 * e1[k]
        d_e0, d_e1 = d_j0 * scale, d_j1 * scale
        d_z -= (d_e0 * e0[k] + d_e1 * e1[k]) / z
        d_0, d_1 = per_x * d_e0, per_y * d_e1
        d_u -= d_0 * axes[k][2]
        d_v -= d_1 * axes[k][2]
        # back from camera space: column k of dL/dR
        column = _times(camera.W.T, d_0, d_1, -(u * d_0 + v * d_1))
        d_axes = (d_axes[1], d_axes[2], column)
    _quat_backward(gaussians.quats, g, d_axes, grads.quats)
    # x / z always moves the splat's center, but changes its shape only inside the limits
    d_ratio_x = camera.fx * splat_grad.x + (d_u if u == x / z else 0.0)
    d_ratio_y = camera.fy * splat_grad.y + (d_v if v == y / z else 0.0)
    d_z -= (d_ratio_x * x + d_ratio_y * y) / (z * z)
    return _times(camera.W.T, d_ratio_x / z, d_ratio_y / z, d_z)


@_kernel
def _quat_backward(quats: Array, g: int, d_columns: Any, quat_grads: Array) -> None:
    """Write dL/dquat from the columns of dL/dR, through the normalization."""
    w, x, y, z, norm = _unit_quat(quats, g)
    (d00, d10, d20), (d01, d11, d21), (d02, d12, d22) = d_columns
    d_w = 2 * (x * (d21 - d12) + y * (d02 - d20) + z * (d10 - d01))
    d_x = 2 * (w * (d21 - d12) + y * (d01 + d10) + z * (d02 + d20) - 2 * x * (d11 + d22))
    d_y = 2 * (w * (d02 - d20) + x * (d01 + d10) + z * (d12 + d21) - 2 * y * (d00 + d22))
    d_z = 2 * (w * (d10 - d01) + x * (d02 + d20) + y * (d12 + d21) - 2 * z * (d00 + d11))
    along = d_w * w + d_x * x + d_y * y + d_z * z
    quat_grads[g, 0], quat_grads[g, 1] = (d_w - along * w) / norm, (d_x - along * x) / norm
    quat_grads[g, 2], quat_grads[g, 3] = (d_y - along * y) / norm, (d_z - along * z) / norm


@_kernel
def _direction(means: Array, g: int, center: Array) -> tuple[tuple[float, float, float], float]:
    """Return the unit direction from the camera to Gaussian g, and the distance."""
    x, y, z = means[g, 0] - center[0], means[g, 1] - center[1], means[g, 2] - center[2]
    distance = math.sqrt(x * x + y * y + z * z)
    return (x / distance, y / distance, z / distance), distance


@_kernel
def _basis(direction: tuple[float, float, float], degree: int, basis: Array) -> None:
    """Write the (degree + 1)² spherical harmonics at `direction`; see `splatrig.gaussians.sh`."""
    x, y, z = direction
    basis[0] = 0.28209479177387814
    if degree >= 1:
        basis[1], basis[2], basis[3] = -0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        c = 1.0925484305920792
        basis[4], basis[5], basis[7] = c * x * y, -c * y * z, -c * x * z
        basis[6] = 0.31539156525252005 * (2 * zz - xx - yy)
        basis[8] = 0.5462742152960396 * (xx - yy)
        if degree >= 3:
            basis[9] = -0.5900435899266435 * y * (3 * xx - yy)
            basis[10] = 2.890611442640554 * x * y * z
            basis[11] = -0.4570457994644658 * y * (4 * zz - xx - yy)
            basis[12] = 0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy)
            basis[13] = -0.4570457994644658 * x * (4 * zz - xx - yy)
            basis[14] = 1.445305721320277 * z * (xx - yy)
            basis[15] = -0.5900435899266435 * x * (xx - 3 * yy)


@_kernel
def _basis_slopes(direction: tuple[float, float, float], degree: int, slopes: Array) -> None:
    """Write the derivatives [(degree + 1)², 3] of `_basis` by x, y, z (of the polynomials as written there)."""
    x, y, z = direction
    slopes[:] = 0
    if degree >= 1:
        slopes[1, 1], slopes[2, 2], slopes[3, 0] = -0.4886025119029199, 0.4886025119029199, -0.4886025119029199
    if degree >= 2:
        c = 1.0925484305920792
        slopes[4, 0], slopes[4, 1] = c * y, c * x
        slopes[5, 1], slopes[5, 2] = -c * z, -c * y
        slopes[7, 0], slopes[7, 2] = -c * z, -c * x
        c = 2 * 0.31539156525252005
        slopes[6, 0], slopes[6, 1], slopes[6, 2] = -c * x, -c * y, 2 * c * z
        c = 2 * 0.5462742152960396
        slopes[8, 0], slopes[8, 1] = c * x, -c * y
    if degree >= 3:
        xx, yy, zz = x * x, y * y, z * z
        c = -0.5900435899266435
        slopes[9, 0], slopes[9, 1] = 6 * c * x * y, 3 * c * (xx - yy)
        slopes[15, 0], slopes[15, 1] = 3 * c * (xx - yy), -6 * c * x * y
        c = 2.890611442640554
        slopes[10, 0], slopes[10, 1], slopes[10, 2] = c * y * z, c * x * z, c * x * y
        c = -0.4570457994644658
        slopes[11, 0], slopes[11, 1], slopes[11, 2] = -2 * c * x * y, c * (4 * zz - xx - 3 * yy), 8 * c * y * z
        slopes[13, 0], slopes[13, 1], slopes[13, 2] = c * (4 * zz - 3 * xx - yy), -2 * c * x * y, 8 * c * x * z
        c = 0.3731763325901154
        slopes[12, 0], slopes[12, 1], slopes[12, 2] = -6 * c * x * z, -6 * c * y * z, 3 * c * (2 * zz - xx - yy)
        c = 1.445305721320277
        slopes[14, 0], slopes[14, 1], slopes[14, 2] = 2 * c * x * z, -2 * c * y * z, c * (xx - yy)


@_kernel
def _color_backward(
    sh: Array, degree: int, basis: Array, slopes: Array, splat: Any, splat_grad: Any, sh_grad: Array
) -> tuple[float, float, float]:
    """Write the gradient [K, 3] of one Gaussian's coefficients; return that of its view direction.

    The gradient is zero for a channel that was clamped at zero.
    """
    zero = basis.dtype.type(0)
    d_red = splat_grad.red if splat.red > 0 else zero
    d_green = splat_grad.green if splat.green > 0 else zero
    d_blue = splat_grad.blue if splat.blue > 0 else zero
    sh_grad[:] = 0
    d_x = d_y = d_z = zero
    for k in range((degree + 1) ** 2):
        sh_grad[k, 0], sh_grad[k, 1], sh_grad[k, 2] = basis[k] * d_red, basis[k] * d_green, basis[k] * d_blue
        d_basis = sh[k, 0] * d_red + sh[k, 1] * d_green + sh[k, 2] * d_blue
        d_x += d_basis * slopes[k, 0]
        d_y += d_basis * slopes[k, 1]
        d_z += d_basis * slopes[k, 2]
    return np.float64(d_x), np.float64(d_y), np.float64(d_z)

"""Real spherical harmonics to degree 3, in the sign and order convention of 3D Gaussian splatting.

Basis k = l(l+1) + m holds Y_lm with the Condon-Shortley phase: for the unit direction (x, y, z) the first four are
1/2 sqrt(1/pi) and sqrt(3/(4 pi)) times (-y, z, -x). Files of 3D Gaussian splatting and gsplat use the same.
"""

import torch
from torch import Tensor

from splatrig.gaussians.gaussians import SH_C0
from splatrig.io.errors import InputError

MAX_DEGREE = 3

C1 = 0.4886025119029199  # sqrt(3 / pi) / 2
C2_XY = 1.0925484305920792  # sqrt(15 / pi) / 2; also yz, xz
C2_ZZ = 0.31539156525252005  # sqrt(5 / pi) / 4
C2_XX = 0.5462742152960396  # sqrt(15 / pi) / 4
C3_YXX = 0.5900435899266435  # sqrt(35 / (2 pi)) / 4
C3_XYZ = 2.890611442640554  # sqrt(105 / pi) / 2
C3_YZZ = 0.4570457994644658  # sqrt(21 / (2 pi)) / 4
C3_ZZZ = 0.3731763325901154  # sqrt(7 / pi) / 4
C3_ZXX = 1.445305721320277  # sqrt(105 / pi) / 4


def sh_basis(directions: Tensor, degree: int) -> Tensor:
    """Evaluate the (degree + 1)² basis functions at unit `directions` [N, 3]; return [N, (degree + 1)²]."""
    if not 0 <= degree <= MAX_DEGREE:
        raise InputError(f"spherical harmonics: degree {degree} is not supported; expected 0 to {MAX_DEGREE}.")
    x, y, z = directions.unbind(-1)
    basis = [torch.full_like(x, SH_C0)]
    if degree >= 1:
        basis += [-C1 * y, C1 * z, -C1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        basis += [C2_XY * x * y, -C2_XY * y * z, C2_ZZ * (2 * zz - xx - yy), -C2_XY * x * z, C2_XX * (xx - yy)]
    if degree >= 3:
        basis += [
            -C3_YXX * y * (3 * xx - yy),
            C3_XYZ * x * y * z,
            -C3_YZZ * y * (4 * zz - xx - yy),
            C3_ZZZ * z * (2 * zz - 3 * xx - 3 * yy),
            -C3_YZZ * x * (4 * zz - xx - yy),
            C3_ZXX * z * (xx - yy),
            -C3_YXX * x * (xx - 3 * yy),
        ]
    return torch.stack(basis, dim=-1)

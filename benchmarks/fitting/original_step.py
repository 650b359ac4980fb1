"""The original recipe's own step, for timing beside splatrig's: see benchmarks/fitting/training.py."""

import numpy as np
import torch

from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.rates import ORIGINAL_RATES
from splatrig.fitting.ssim_window import C1, C2, window
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize.inria_backend import projection_matrix


def original_steps(start: Gaussians, data: FrameData, steps: int) -> None:
    """Take steps as the original does: one call of its rasterizer, SSIM of five 11×11 convolutions, plain Adam."""
    from diff_gaussian_rasterization import GaussianRasterizationSettings, GaussianRasterizer

    device, cameras = data.device, data.cameras
    weights = {name: torch.tensor(values, device=device, requires_grad=True) for name, values in start.items()}
    groups = [{"params": [weights[name]], "lr": getattr(ORIGINAL_RATES, name)} for name in weights]
    adam = torch.optim.Adam(groups, lr=0.0, eps=1e-15)
    line = torch.as_tensor(window(), dtype=torch.float32, device=device)
    kernel = (line[:, None] * line).expand(3, 1, 11, 11).contiguous()
    anchors = torch.as_tensor(data.vertices, dtype=torch.float32, device=device)
    settings = []
    for viewmat, K in zip(torch.as_tensor(cameras.viewmats).float(), torch.as_tensor(cameras.Ks).float(), strict=True):
        full = projection_matrix(K, cameras.width, cameras.height) @ viewmat
        common = {"scale_modifier": 1.0, "sh_degree": 3, "prefiltered": False, "debug": False, "bg": None}
        size = {"image_height": cameras.height, "image_width": cameras.width}
        tangents = {
            "tanfovx": 0.5 * cameras.width / K[0, 0].item(),
            "tanfovy": 0.5 * cameras.height / K[1, 1].item(),
        }
        matrices = {"viewmatrix": viewmat.T, "projmatrix": full.T, "campos": -viewmat[:3, :3].T @ viewmat[:3, 3]}
        moved = {name: matrix.contiguous().to(device) for name, matrix in matrices.items()}
        settings.append(GaussianRasterizationSettings(**size, **tangents, **common, **moved))

    def blurred(image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(image[None], kernel, padding=5, groups=3)[0]

    train = np.flatnonzero(~cameras.held_out)
    for step in range(steps):
        camera = int(train[step % len(train)])
        image = GaussianRasterizer(settings[camera]._replace(bg=torch.rand(3, device=device)))(
            means3D=weights["means"],
            means2D=torch.zeros_like(weights["means"], requires_grad=True),
            opacities=weights["logit_opacities"].sigmoid()[:, None],
            scales=weights["log_scales"].exp(),
            rotations=torch.nn.functional.normalize(weights["quats"]),
            shs=torch.cat([weights["sh0"], weights["shN"]], dim=1),
        )[0]
        target = data.views[camera].image[..., :3].permute(2, 0, 1).float() / 255
        mean_x, mean_y = blurred(image), blurred(target)
        variance_x = blurred(image * image) - mean_x * mean_x
        variance_y = blurred(target * target) - mean_y * mean_y
        covariance = blurred(image * target) - mean_x * mean_y
        similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
        similarity = similarity / ((mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2))
        loss = 0.6 * (image - target).abs().mean() + 0.4 * (1 - similarity.mean())
        loss = loss + (weights["means"] - anchors).square().sum(dim=1).square().mean()
        loss = loss + weights["log_scales"].exp().square().sum(dim=1).square().mean()
        loss.backward()
        adam.step()
        adam.zero_grad(set_to_none=True)

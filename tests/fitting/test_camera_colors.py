import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.fitting.camera_colors import CameraColors, recolored
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.learned.fit import LearnedFit
from support import known_rig

BACKGROUND = torch.tensor([0.2, 0.5, 0.9])


def _rendering(seed: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A rendering over `BACKGROUND`, its alpha, and the map of a camera."""
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.rand((7, 5, 1), generator=generator, dtype=dtype)
    alpha[0] = 0.0
    image = alpha * torch.rand((7, 5, 3), generator=generator, dtype=dtype) + (1 - alpha) * BACKGROUND.to(dtype)
    return image, alpha, torch.eye(3, 4, dtype=dtype) + 0.1 * torch.randn((3, 4), generator=generator, dtype=dtype)


def test_the_foreground_is_mapped_and_the_background_stays():
    image, alpha, matrix = _rendering(0)
    mapped = recolored(image, alpha, BACKGROUND, matrix)
    foreground = image - (1 - alpha) * BACKGROUND
    pure = foreground / alpha.clamp_min(1e-6)  # the color of what covers the pixel
    expected = alpha * (pure @ matrix[:, :3].T + matrix[:, 3]) + (1 - alpha) * BACKGROUND
    torch.testing.assert_close(mapped[1:], expected[1:])
    torch.testing.assert_close(mapped[0], BACKGROUND.expand(5, 3))


def test_the_identity_changes_nothing():
    image, alpha, _ = _rendering(1)
    assert torch.equal(recolored(image, alpha, BACKGROUND, torch.eye(3, 4)), image)


def test_slopes_are_those_of_differences():
    image, alpha, matrix = _rendering(2, torch.float64)
    inputs = [part.requires_grad_() for part in (image, alpha, matrix)]
    assert torch.autograd.gradcheck(lambda i, a, m: recolored(i, a, BACKGROUND.double(), m), inputs)


def test_the_mean_of_all_cameras_is_the_identity():
    colors = CameraColors.alike(("a", "b", "c"), torch.device("cpu"))
    with torch.no_grad():
        colors.values.add_(torch.randn((3, 3, 4), generator=torch.Generator().manual_seed(0)))
    colors.center_()
    torch.testing.assert_close(colors.values.mean(dim=0), torch.eye(3, 4))


def test_only_cameras_that_differ_are_named():
    colors = CameraColors.alike(("left", "right"), torch.device("cpu"))
    with torch.no_grad():
        colors.values[1, 0, 0] = 1.08
        colors.values[0, 2, 2] = 0.97
    assert colors.unlike(0.05) == {"right": "red × 1.08, green × 1.00, blue × 1.00"}


def test_a_camera_whose_red_is_weak_is_found_and_the_rig_keeps_the_true_colors(tmp_path):
    truth = known_rig.plant(tmp_path)
    wrong = truth.frames[0].cameras.names[2]
    for frame in truth.frames:
        path = frame.photograph(2)
        pixels = np.asarray(Image.open(path)).astype(np.float64)
        pixels[..., 0] *= 0.8
        Image.fromarray(pixels.round().astype(np.uint8)).save(path)
    plans = {"alike": known_rig.plan(200), "learned": known_rig.plan(200, color_rate=0.01)}
    psnr, gains = {}, {}
    for name, plan in plans.items():
        cameras = truth.frames[0].cameras.train.names if plan.color_rate else ()
        rig = TrainableRig(known_rig.disturbed(truth, 0, local=False), plan.rates, cameras=cameras)
        with known_rig.photographs(truth) as photographs:
            fit = LearnedFit(rig, photographs, known_rig.schedule(truth), known_rig.surroundings(truth), plan)
            fit.run()
        psnr[name] = fit.history[-1][3]
        gains[name] = rig.colors and rig.colors.of(wrong)[0, 0].item()
    assert gains["alike"] is None
    assert 0.75 < gains["learned"] < 0.95  # view-dependent colors take their part
    assert psnr["learned"] > psnr["alike"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_kernels_are_torchs_operations():
    generator = torch.Generator().manual_seed(3)
    alpha = torch.rand((61, 53, 1), generator=generator)
    image, upstream = torch.rand((2, 61, 53, 3), generator=generator)
    matrix = torch.eye(3, 4) + 0.1 * torch.randn((3, 4), generator=generator)
    inputs = [part.double().requires_grad_() for part in (image, alpha, matrix)]
    expected = recolored(inputs[0], inputs[1], BACKGROUND.double(), inputs[2])
    expected.backward(upstream.double())
    ours = [part.cuda().requires_grad_() for part in (image, alpha, matrix)]
    mapped = recolored(ours[0], ours[1], BACKGROUND.cuda(), ours[2])
    mapped.backward(upstream.cuda())
    torch.testing.assert_close(mapped.cpu().double(), expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(ours, inputs, strict=True):
        torch.testing.assert_close(one.grad.cpu().double(), other.grad, rtol=1e-4, atol=1e-4)

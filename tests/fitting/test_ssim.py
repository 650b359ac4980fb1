import sys

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from splatrig.fitting import ssim, ssim_window

FLOAT64_TOLERANCE = 1e-11  # two orders of the same sums
FLOAT32_TOLERANCE = 2e-6  # eleven-term sums of values near 1, differences of squares


def _pair(dtype: torch.dtype, height: int = 33, width: int = 29) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    first = torch.rand((height, width, 3), generator=generator, dtype=dtype)
    return first, (first + 0.2 * torch.randn(first.shape, generator=generator, dtype=dtype)).clamp(0, 1)


def test_window_sums_to_one_and_is_symmetric():
    window = ssim_window.window()
    assert len(window) == 11
    assert window.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(window, window[::-1], atol=0)


def test_equal_images_have_similarity_one_everywhere():
    first, _ = _pair(torch.float64)
    torch.testing.assert_close(ssim.ssim_map(first, first), torch.ones_like(first), atol=1e-12, rtol=0)


def test_map_agrees_with_torchmetrics_away_from_the_border():
    first, second = _pair(torch.float64)
    _, full = structural_similarity_index_measure(
        first.permute(2, 0, 1)[None],
        second.permute(2, 0, 1)[None],
        data_range=1.0,
        sigma=1.5,
        return_full_image=True,
    )
    theirs = full[0].permute(1, 2, 0)[5:-5, 5:-5]
    ours = ssim.ssim_map(first, second)[5:-5, 5:-5]
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


def test_measured_map_is_the_convolution_in_double_precision():
    first, second = _pair(torch.float32)
    expected = ssim.ssim_map(first.double(), second.double())
    torch.testing.assert_close(ssim.measured_ssim(first, second), expected, atol=1e-12, rtol=0)


def test_map_is_symmetric_in_its_arguments():
    first, second = _pair(torch.float64)
    torch.testing.assert_close(ssim.ssim_map(first, second), ssim.ssim_map(second, first), atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, FLOAT64_TOLERANCE), (torch.float32, FLOAT32_TOLERANCE)]
)
@pytest.mark.parametrize("size", [(33, 29), (1, 1), (4, 40), (40, 3)])
def test_compiled_kernels_agree_with_the_convolution(dtype, tolerance, size):
    first, second = _pair(dtype, *size)
    leaf = first.clone().requires_grad_()
    value = ssim.mean_ssim(leaf, second)
    value.backward()
    reference_leaf = first.clone().requires_grad_()
    reference = ssim.ssim_map(reference_leaf, second).mean()
    reference.backward()
    assert value.item() == pytest.approx(reference.item(), abs=tolerance)
    scale = float(reference_leaf.grad.abs().max())
    assert float((leaf.grad - reference_leaf.grad).abs().max()) <= 20 * tolerance * max(scale, 1e-3)


def test_gradient_agrees_with_finite_differences():
    first, second = _pair(torch.float64, 7, 6)
    assert torch.autograd.gradcheck(lambda x: ssim.mean_ssim(x, second), first.requires_grad_(), eps=1e-6, atol=1e-7)


def test_without_triton_the_log_says_so(monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "splatrig.fitting.ssim_triton", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    assert not ssim._triton_starts.__wrapped__(torch.device("cpu"))
    assert "Triton cannot start" in caplog.text

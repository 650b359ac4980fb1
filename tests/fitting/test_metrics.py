import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from splatrig.fitting.metrics import REGIONS, lpips_available, measure, psnr


def test_constant_error_of_a_tenth_is_twenty_decibels():
    photographed = torch.full((30, 30, 3), 0.5)
    assert psnr(photographed + 0.1, photographed) == pytest.approx(20.0, abs=1e-4)


def test_psnr_agrees_with_torchmetrics():
    first, second = torch.rand((2, 17, 23, 3), generator=torch.Generator().manual_seed(0))
    assert psnr(first, second) == pytest.approx(float(peak_signal_noise_ratio(first, second, data_range=1.0)), abs=1e-4)


def test_equal_images_have_infinite_psnr():
    image = torch.rand((5, 5, 3), generator=torch.Generator().manual_seed(0))
    assert psnr(image, image) == math.inf


def test_regions_see_only_their_own_errors():
    photographed = torch.full((40, 40, 3), 0.5)
    inside = torch.zeros((40, 40), dtype=torch.bool)
    inside[:20] = True
    rendered = photographed.clone()
    rendered[:20] += 0.1
    rendered[20:] += 0.2
    result = measure(rendered, photographed, inside)
    assert tuple(result) == REGIONS
    assert result["mask"].psnr == pytest.approx(20.0, abs=1e-3)
    assert result["image"].psnr == pytest.approx(-10 * math.log10((0.01 + 0.04) / 2), abs=1e-3)
    flat_ssim = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)  # constant images: the luminance term alone
    far_inside = measure(rendered, photographed, inside & (torch.arange(40) < 14)[:, None] & _interior(40))
    assert far_inside["mask"].ssim == pytest.approx(flat_ssim, abs=1e-5)


def _interior(size: int) -> torch.Tensor:
    index = torch.arange(size)
    return ((index >= 5) & (index < size - 5))[:, None] & ((index >= 5) & (index < size - 5))[None]


def test_a_render_outside_the_unit_range_is_clipped_before_it_is_measured():
    photographed = torch.ones((12, 12, 3))
    result = measure(photographed * 3, photographed, torch.ones((12, 12), dtype=torch.bool))
    assert result["image"].psnr == math.inf


def test_an_empty_region_gives_nan_not_an_error():
    image = torch.rand((6, 6, 3), generator=torch.Generator().manual_seed(0))
    result = measure(image, image, torch.zeros((6, 6), dtype=torch.bool))
    assert math.isnan(result["mask"].psnr)
    assert math.isnan(result["mask"].ssim)


@pytest.mark.skipif(lpips_available(), reason="LPIPS weights are on this machine")
def test_lpips_without_weights_is_nan():
    image = torch.rand((40, 40, 3), generator=torch.Generator().manual_seed(0))
    assert math.isnan(measure(image, image, torch.ones((40, 40), dtype=torch.bool))["image"].lpips)

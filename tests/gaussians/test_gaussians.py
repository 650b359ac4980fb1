import subprocess
import sys

import numpy as np
import pytest
import torch

from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.io.errors import InputError
from support.random_gaussians import random_gaussians


def test_items_come_in_the_order_of_the_shapes():
    gaussians = random_gaussians(3)
    assert [name for name, _ in gaussians.items()] == list(SHAPES)
    assert len(gaussians) == 3


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_wrong_shape_is_named_with_what_was_expected(name):
    fields = dict(random_gaussians(4).items())
    fields[name] = np.zeros((5, 7), np.float32)
    with pytest.raises(InputError, match=r"Gaussians\.\w+: expected shape \("):
        Gaussians(**fields)


@pytest.mark.parametrize("leading", [(2,), (3, 1)])
@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_leading_axes_are_shared_by_all_fields(make, leading):
    fields = {name: make((*leading, 5, *shape)) for name, shape in SHAPES.items()}
    gaussians = Gaussians(**fields)
    assert len(gaussians) == 5
    assert gaussians.first(3).shN.shape == (*leading, 3, 15, 3)
    fields["log_scales"] = make((5, 3))
    with pytest.raises(InputError, match=r"Gaussians.log_scales: expected shape \(.*5, 3\), got \(5, 3\)"):
        Gaussians(**fields)


def test_one_gaussian_without_an_axis_is_refused():
    with pytest.raises(InputError, match=r"means: expected shape \(..., N, 3\), got \(3,\)"):
        Gaussians(**{name: np.zeros(shape) for name, shape in SHAPES.items()})


def test_a_number_that_is_not_finite_is_found_behind_leading_axes():
    fields = {name: np.zeros((2, 5, *shape)) for name, shape in SHAPES.items()}
    fields["quats"][1, 3, 0] = np.nan
    with pytest.raises(InputError, match="here: expected finite quats, got NaN or infinity, first at Gaussian 3"):
        Gaussians(**fields).check_finite("here")


def test_tensors_hold_the_same_numbers():
    gaussians = random_gaussians(4)
    tensors = on_device(gaussians)
    for (name, array), (same_name, tensor) in zip(gaussians.items(), tensors.items(), strict=True):
        assert name == same_name and tensor.dtype == torch.float32
        assert np.array_equal(array, tensor.numpy())
    assert on_device(tensors).means is tensors.means


def test_arrays_need_no_torch():
    code = "import sys; import splatrig.gaussians.gaussians; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

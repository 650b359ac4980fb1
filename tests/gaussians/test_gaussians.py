import numpy as np
import pytest

from gaussians.random_gaussians import random_gaussians
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError


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

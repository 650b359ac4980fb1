import numpy as np
import pytest

from splatrig.dataset.regions import REGIONS, Region
from splatrig.fitting.region_errors import REGION_COLUMNS, UNKNOWN, region_errors


def test_sums_are_those_of_a_loop_over_pixels_and_an_absent_region_is_empty():
    generator = np.random.default_rng(0)
    squared = generator.random((200, 3)).astype(np.float32)
    kinds = [Region.WHOLE, Region.WHOLE | Region.SKIN, Region.WHOLE | Region.HAIR | Region.BEYOND]
    flags = np.array([int(kinds[index]) for index in generator.integers(3, size=200)])
    found = dict(zip(REGION_COLUMNS, region_errors(squared, flags), strict=True))
    for region, name in zip(Region, REGIONS, strict=True):
        own = [float(pixel.mean()) for pixel, flag in zip(squared, flags, strict=True) if flag & region]
        if region in (Region.MOUTH, Region.EYES):
            assert not own
            assert np.isnan([found[f"sse_{name}"], found[f"pixels_{name}"]]).all()
        else:
            assert found[f"pixels_{name}"] == len(own)
            assert found[f"sse_{name}"] == pytest.approx(sum(own), rel=1e-6)
    assert found["sse_hair"] == found["sse_beyond"]
    assert len(UNKNOWN) == len(REGION_COLUMNS)

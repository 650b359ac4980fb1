import numpy as np
import pytest

from splatrig.dataset.regions import REGION_COLUMNS, REGIONS, UNKNOWN, Region
from splatrig.fitting.region_errors import region_errors


def test_sums_are_those_of_a_loop_over_pixels_and_an_absent_region_is_empty():
    generator = np.random.default_rng(0)
    rendered, photographed = generator.random((2, 20, 10, 3)).astype(np.float32)
    kinds = [0, Region.WHOLE, Region.WHOLE | Region.SKIN, Region.WHOLE | Region.HAIR | Region.BEYOND]
    flags = np.array(kinds, dtype=np.uint8)[generator.integers(4, size=(20, 10))]
    found = dict(zip(REGION_COLUMNS, region_errors(rendered, photographed, flags), strict=True))
    squared = np.square(rendered.astype(np.float64) - photographed)
    for region, name in zip(Region, REGIONS, strict=True):
        own = [float(squared[place].mean()) for place in np.ndindex(flags.shape) if flags[place] & region]
        if region in (Region.MOUTH, Region.EYES):
            assert not own
            assert np.isnan([found[f"sse_{name}"], found[f"pixels_{name}"]]).all()
        else:
            assert found[f"pixels_{name}"] == len(own)
            assert found[f"sse_{name}"] == pytest.approx(sum(own), rel=1e-9)
    assert found["sse_hair"] == found["sse_beyond"]
    assert len(UNKNOWN) == len(REGION_COLUMNS)

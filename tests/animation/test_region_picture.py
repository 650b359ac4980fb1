import numpy as np

from splatrig.animation.region_picture import HEIGHT, STRIPE, legend, painted, picture_regions
from splatrig.dataset.regions import COLORS, Region, RegionFolder
from support import subject as small


def test_overlapping_regions_are_striped_in_both_colors_and_the_rest_is_dimmed():
    flags = np.zeros((4 * STRIPE, 4 * STRIPE), dtype=np.uint8)
    flags[:, STRIPE:] = Region.WHOLE | Region.HAIR
    flags[:, 2 * STRIPE :] |= int(Region.BEYOND)
    shown = painted(np.full((*flags.shape, 3), 100, dtype=np.uint8), flags).astype(int)
    assert shown[0, 0].tolist() == [30, 30, 30]
    colors = [(45 + 0.55 * np.array(COLORS[region])).round() for region in (Region.HAIR, Region.BEYOND)]
    assert np.abs(shown[:, STRIPE : 2 * STRIPE] - colors[0]).max() <= 1
    both = shown[:, 2 * STRIPE :].reshape(-1, 3)
    assert [float((np.abs(both - color).max(axis=1) <= 1).mean()) for color in colors] == [0.5, 0.5]


def test_a_legend_names_the_regions_that_there_are():
    few, more = (legend([np.array([[0, flags]], dtype=np.uint8)], 600) for flags in (3, 7))
    assert (few == COLORS[Region.SKIN]).all(axis=2).any()
    assert not (few == COLORS[Region.MOUTH]).all(axis=2).any()
    assert (more == COLORS[Region.MOUTH]).all(axis=2).any()


def test_a_picture_has_every_camera_above_its_regions(tmp_path):
    subject = small.write_subject(tmp_path / "subject")
    frame, regions = subject.dataset.frame(subject.names("train")[0]), RegionFolder(tmp_path / "regions")
    for camera in frame.cameras.names:
        flags = np.full((frame.cameras.height, frame.cameras.width), Region.WHOLE | Region.SKIN, dtype=np.uint8)
        regions.write(frame.name, camera, flags)
    picture = picture_regions(frame, regions)
    wide = round(frame.cameras.width * HEIGHT / frame.cameras.height)
    assert picture.shape[0] > 2 * HEIGHT
    assert picture.shape[1] > len(frame.cameras) * wide

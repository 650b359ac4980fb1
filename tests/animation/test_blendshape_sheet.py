import numpy as np
import pytest

from splatrig.animation.blendshape_sheet import COLUMNS, MARGIN, blendshape_sheet, close_ups, three_quarters
from splatrig.animation.render import render
from splatrig.components.rig import Rig
from splatrig.landmarks.triangulate import project, projections
from support import planted


@pytest.fixture(scope="module")
def rig() -> Rig:
    made = planted.head()
    parts = planted.components(made, family="learned", attributes=planted.ALL_ATTRIBUTES, count=4)
    return Rig.of(planted.blendshapes(parts), made.neutral)


def test_close_ups_show_the_points_in_the_middle_and_nothing_is_bent(rig):
    cameras, points = planted.cameras(), rig.neutral.means[:50]
    near = close_ups(cameras, points, 80)
    seen, before = project(projections(near), points), project(projections(cameras), points)
    assert near.height == 80
    np.testing.assert_allclose(np.ptp(seen[..., 1], axis=1), 80 / MARGIN)
    middles = 0.5 * (seen.min(axis=1) + seen.max(axis=1))
    np.testing.assert_allclose(middles, np.tile([near.width / 2, 40], (len(cameras), 1)))
    stretched = np.ptp(seen, axis=1) / np.ptp(before, axis=1)
    np.testing.assert_allclose(stretched[:, 0], stretched[:, 1])


def test_the_second_camera_is_the_nearest_to_three_quarters(rig):
    cameras, middle = planted.cameras(), rig.neutral.means.mean(axis=0)
    away = cameras.centers - middle
    angles = np.degrees(np.arctan2(np.abs(away[:, 0]), away[:, 2]))
    chosen = three_quarters(cameras, rig.neutral.means)
    assert abs(angles[chosen] - 40) == pytest.approx(np.abs(angles - 40).min(), abs=15)


def test_the_sheet_has_the_neutral_and_every_blendshape_as_it_is_at_weight_1(rig):
    cameras = planted.cameras()
    sheet = blendshape_sheet(rig, cameras, 60)
    means, mask = rig.neutral.means, rig.components.face_mask
    front = close_ups(cameras.select([0]), means[: len(mask)][mask], 60)
    plain = render(rig.pose(np.zeros(rig.count, np.float32)), front)[0][0]
    assert sheet.shape[1] // COLUMNS > front.width
    cell = sheet[6:66, 6 : 6 + front.width].astype(float) / 255  # after the gap
    assert cell.std() > 0.05
    assert np.abs(cell - plain[:, : cell.shape[1]]).mean() < 0.1

import numpy as np
import pytest

from splatrig.landmarks.triangulate import projections
from splatrig.tracking.views import BORDER_PX, Band, band_passed, sampled, skin_pixels
from support.photographed_template import stage, template


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((60, 80)).astype(np.float32)


def test_the_band_does_not_know_light_and_gain(image):
    smooth = np.linspace(0.0, 0.5, 80, dtype=np.float32)
    plain, changed = band_passed(image, 1.5), band_passed(np.float32(2.0) * image + smooth, 1.5)
    inside = (slice(20, 40), slice(20, 60))
    assert np.abs(plain - changed)[inside].max() < 0.06  # of values about 1; the ramp's own band is what is left
    assert np.abs(plain[inside]).mean() > 0.4


def test_pixels_are_sampled_at_their_centers(image):
    rows, columns = np.array([3, 10]), np.array([5, 70])
    np.testing.assert_allclose(
        sampled(image, np.stack([columns + 0.5, rows + 0.5], 1)), image[rows, columns], rtol=1e-6
    )
    between = sampled(image, np.array([[6.0, 3.5]]))
    assert between[0] == pytest.approx(0.5 * (image[3, 5] + image[3, 6]), rel=1e-6)


def test_slopes_point_where_values_grow():
    ramp = np.tile(np.sin(np.arange(60) / 4.0).astype(np.float32), (50, 1))
    band = Band.of(ramp, 1.0)
    values, slopes = band.at(np.array([[30.5, 25.5]]))
    ahead, _ = band.at(np.array([[31.5, 25.5]]))
    behind, _ = band.at(np.array([[29.5, 25.5]]))
    assert slopes[0, 0] == pytest.approx((ahead[0] - behind[0]) / 2, rel=0.1) and abs(slopes[0, 1]) < 1e-3
    assert np.isfinite(values).all()


def test_skin_pixels_look_back_at_themselves():
    head, cameras = template(), stage()
    P = projections(cameras)[1]
    seen = skin_pixels(head.vertices, head.faces, P, cameras.height, cameras.width, 3)
    places = np.einsum("pc,pcd->pd", seen.barycentric, head.vertices[head.faces[seen.faces]])
    homogeneous = places @ P[:, :3].T + P[:, 3]
    np.testing.assert_allclose(homogeneous[:, :2] / homogeneous[:, 2:], seen.pixels, atol=1e-3)
    assert len(seen.pixels) > 300 and seen.pixels.min() >= BORDER_PX
    some = seen.only(seen.faces == seen.faces[0])
    assert len(some.pixels) == (seen.faces == seen.faces[0]).sum()

import numpy as np
import pytest
import torch

from splatrig.animation.camera_path import fixed, orbit
from splatrig.animation.captions import captioned, strongest
from splatrig.animation.film import film, film_in_batches
from splatrig.animation.render import Renderer, lens_blur, render, to_bytes, widened
from splatrig.components.rig import Rig
from splatrig.components.skin import skin_of
from splatrig.io.errors import InputError
from support import planted

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


@pytest.fixture(scope="module")
def made():
    return planted.head()


def rigs(made):
    skin = skin_of(made.vertices, made.faces)
    return {
        "centers alone": Rig.of(planted.components(made), made.neutral),
        "centers that skin follows": Rig.of(planted.components(made), made.neutral, skin),
        "all attributes": Rig.of(
            planted.components(made, family="pca", attributes=planted.ALL_ATTRIBUTES), made.neutral
        ),
    }


@pytest.mark.parametrize("name", ["centers alone", "centers that skin follows", "all attributes"])
@pytest.mark.parametrize("device", DEVICES)
def test_batches_on_a_device_are_the_poses_of_the_rig(made, name, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rig = rigs(made)[name]
    weights = np.array([[0.0, 0.0, 0.0], [1.0, 0.2, 0.0], [0.3, 0.0, 0.9], [0.1, 0.8, 0.4], [0.0, 1.0, 1.0]])
    path = orbit(planted.cameras().select([0]), 5, np.zeros(3))
    batches = list(film_in_batches(rig.to(device), weights, path, Renderer(device, 1.5), 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    pictures = torch.cat(batches).cpu().numpy()
    for frame, row in enumerate(weights):
        expected, _ = render(widened(rig.pose(row), 1.5), path.select([frame]))
        difference = np.abs(pictures[frame].astype(int) - to_bytes(expected[0]).astype(int))
        assert difference.mean() < 0.05
        assert np.percentile(difference, 99.9) <= 1


def test_a_film_has_a_picture_a_row_and_moves(made):
    rig = rigs(made)["all attributes"]
    weights = np.linspace(0, 1, 4)[:, None] * np.ones(3)
    pictures = list(film(rig, weights, fixed(planted.cameras(), 4)))
    assert len(pictures) == 4
    assert pictures[0].shape == (60, 40, 3)
    assert pictures[0].dtype == np.uint8
    assert np.all(pictures[0][0, 0] == 0)  # nothing is there but black
    assert np.abs(pictures[0].astype(int) - pictures[3]).mean() > 0.5


def test_rows_and_cameras_go_together(made):
    rig = rigs(made)["centers alone"]
    with pytest.raises(InputError, match="one camera per row of weights, 3"):
        list(film(rig, np.zeros((3, 3)), fixed(planted.cameras(), 2)))


def test_captions_name_what_moves_most_along_its_range():
    weights = np.array([[0.0, 0.0], [0.5, 4.0], [0.9, 4.0], [-0.2, 0.0]])
    names = ["jaw open · chin", "smile"]
    found = strongest(weights, names, low=np.array([-0.2, 0.0]), high=np.array([1.0, 8.0]))
    assert found == ["", "jaw open · chin", "jaw open · chin", "jaw open · chin"]
    assert strongest(weights[1:2], names, np.zeros(2), np.array([10.0, 8.0])) == ["smile"]


def test_captioned_pictures_are_equally_high():
    picture = np.zeros((30, 90, 3), np.uint8)
    plain, named = captioned(picture, ""), captioned(picture, "a very long name that cannot fit into ninety pixels")
    assert plain.shape == named.shape
    assert np.all(plain[30:] == 255)
    assert named[30:].min() < 128
    np.testing.assert_array_equal(named[:30], picture)


def test_a_film_nearer_than_the_photographs_is_their_picture_enlarged(made):
    rig = rigs(made)["all attributes"]
    photographed = planted.cameras().select([0])
    shown = photographed.scaled(4)
    widen = lens_blur(photographed, np.zeros(3), shown)
    (small,) = film(rig, np.zeros((1, 3)), photographed)
    large = {amount: next(film(rig, np.zeros((1, 3)), shown, Renderer(widen_mm2=amount))) for amount in (0.0, widen)}
    height, width = small.shape[:2]
    apart = {
        amount: np.abs(picture.reshape(height, 4, width, 4, 3).mean(axis=(1, 3)) - small).mean()
        for amount, picture in large.items()
    }
    assert apart[widen] < 0.7 * apart[0.0]
    assert lens_blur(photographed, np.zeros(3), photographed) == 0.0
    assert lens_blur(shown, np.zeros(3), photographed) == 0.0
    assert lens_blur(photographed, np.zeros(3)) == pytest.approx(0.3 * (600 / 110) ** 2, rel=1e-6)


def test_widened_gaussians_have_more_variance_along_every_axis(made):
    wide = widened(made.neutral, 2.0)
    np.testing.assert_allclose(np.exp(2 * wide.log_scales), np.exp(2 * made.neutral.log_scales) + 2.0, rtol=1e-5)
    assert widened(made.neutral, 0.0) is made.neutral

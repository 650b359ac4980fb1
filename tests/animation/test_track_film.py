import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from splatrig.animation.track_film import GIF_HEIGHT, film_of, with_captions, write_film
from splatrig.components.rig import Rig
from support import planted


def grays(height: int) -> list[np.ndarray]:
    """Five images, each brighter than the one before."""
    return [np.full((height, 40, 3), 50 * number, np.uint8) for number in range(5)]


@pytest.mark.parametrize(("height", "shown"), [(300, GIF_HEIGHT), (60, 60)])
def test_a_gif_has_every_second_frame_and_is_no_higher_than_the_film(tmp_path, height, shown):
    write_film(iter(grays(height)), 10, mp4=tmp_path / "a.mp4", gif=tmp_path / "a.gif", threads=1)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.height, gif.info["duration"]) == (3, shown, 200)
        levels = []
        for number in range(3):
            gif.seek(number)
            levels.append(np.asarray(gif.convert("RGB")).mean())
    np.testing.assert_allclose(levels, [0, 100, 200], atol=2)
    assert [frame.shape for frame in imageio.mimread(tmp_path / "a.mp4")] == 5 * [(height, 40, 3)]


def test_a_film_is_as_high_as_asked_for_and_captions_come_below():
    made = planted.head(2)
    rig = Rig.of(planted.components(made), made.neutral)
    weights = np.linspace(0.0, 1.0, 4)[:, None] * np.ones(rig.count)
    pictures = film_of(rig, weights, planted.cameras(), height=30, path="orbit", names=[], device="cpu")
    captioned = list(with_captions(pictures, ["", "a", "b", "c"]))
    assert {picture.shape[1:] for picture in captioned} == {(20, 3)}
    assert len({len(picture) for picture in captioned}) == 1 and len(captioned[0]) > 30
    assert captioned[0][:30].max() > 0 and (captioned[0][30:] == 255).all()

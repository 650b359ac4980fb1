"""Scores against a slow reference, noise and brightness against known ones, coverage at an exact border."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.capture import difference as module
from splatrig.capture.cells import grown_to_pixels, pixels_of_cells, reduced
from splatrig.capture.difference import Cells, Light, Plate, difference, measure_light

SHAPE = (90, 130)
EMPTY = np.zeros(SHAPE, dtype=np.uint8)


def everywhere(size: int) -> Cells:
    """Return cells that are band in all of an image."""
    cells = np.ones(reduced(EMPTY > 0, size).shape, dtype=bool)
    return Cells(size, ~cells, cells, cells, cells)


def nowhere(size: int) -> Cells:
    """Return cells of an image without a head."""
    return Cells.of(EMPTY, size, 10.0)


def stage(seed: int = 0) -> np.ndarray:
    """Return a stage whose brightness rises to the right."""
    ramp = np.linspace(30, 180, SHAPE[1])[None, :, None] * np.array([1.0, 0.9, 0.8])
    return np.broadcast_to(ramp, (*SHAPE, 3)) + np.random.default_rng(seed).uniform(-3, 3, (1, SHAPE[1], 3))


def rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_cells_keep_what_any_pixel_has():
    mask = np.random.default_rng(0).random((23, 31)) < 0.02
    cells = reduced(mask, 5)
    assert cells.shape == (5, 7)
    for h, w in np.ndindex(cells.shape):
        assert cells[h, w] == mask[5 * h : 5 * h + 5, 5 * w : 5 * w + 5].any()
    assert (grown_to_pixels(cells, 5, mask.shape) >= mask).all()
    assert pixels_of_cells(5, mask.shape).sum() == mask.size


def test_the_band_surrounds_the_mesh_and_its_inside_is_left_out():
    alpha = np.zeros(SHAPE, dtype=np.uint8)
    alpha[20:70, 30:90] = 255
    cells = Cells.of(alpha, 2, 12.0)
    band = grown_to_pixels(cells.band, 2, SHAPE)
    distance = scipy.ndimage.distance_transform_edt(alpha == 0)
    assert band[distance <= 10].all() and not band[distance > 14].any()
    inner = scipy.ndimage.distance_transform_edt(alpha == 255)
    computed = grown_to_pixels(cells.open, 2, SHAPE)
    assert not computed[inner > 6].any() and computed[(inner <= 2) & band].all()
    assert not Cells.of(EMPTY, 2, 12.0).band.any()


@pytest.mark.parametrize("jitter", [0.0, 0.4])
def test_scores_are_those_of_a_slow_reference(jitter):
    generator = np.random.default_rng(1)
    photograph, plate = generator.integers(0, 256, (2, *SHAPE, 3), dtype=np.uint8)
    known = generator.random(SHAPE) < 0.9
    noise = generator.uniform(1.0, 6.0, (256, 3)).astype(np.float32)
    steps = np.zeros(plate.shape)
    for axis in (0, 1):
        step = np.abs(np.diff(plate.astype(int), axis=axis))
        one, other = (slice(None, -1), slice(1, None)) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        for part in (one, other):
            steps[part] = np.maximum(steps[part], step)
    spread = np.hypot(noise[plate, np.arange(3)], jitter * steps)
    weighted = np.where(known[..., None], (photograph - 1.1 * plate) / spread, 0.0)
    smooth = scipy.ndimage.correlate(weighted, np.outer([1, 2, 1], [1, 2, 1])[..., None], mode="constant") / 6.0
    expected = np.where(known, np.sqrt(np.square(smooth).mean(axis=-1)), 0.0)
    scores, cells = np.zeros(SHAPE, dtype=np.uint16), everywhere(7)
    counts = np.zeros((2, *cells.open.shape), dtype=np.int32)
    module._score_cells(photograph, plate, known, 1.1, noise, jitter, cells.open, 7, scores, counts)
    assert_allclose(scores / module._STEPS, expected, atol=1.1 / module._STEPS)
    assert counts[1].sum() == known.sum()
    rows, columns = np.nonzero(known)
    points = np.empty(len(rows))
    module._score_points(photograph, plate, known, 1.1, noise, jitter, rows, columns, points)
    assert_allclose(points, expected[rows, columns], rtol=1e-4)


def test_noise_by_brightness_and_gain_are_found():
    generator = np.random.default_rng(2)
    clean = stage()
    sigma = 1.5 + 3.0 * (clean / 180.0)
    light = measure_light(
        rounded(0.9 * clean + generator.normal(size=clean.shape) * sigma),
        Plate(rounded(clean), np.ones(SHAPE, dtype=bool)),
        nowhere(4),
    )
    assert light is not None
    assert light.gain == pytest.approx(0.9, abs=0.01)
    for level in (40, 100, 160):
        assert_allclose(light.noise[level, 0], 1.5 + 3.0 * level / 180.0, rtol=0.15)
    assert light.jitter < 0.1 and light.score < 1.1


def test_clothes_in_a_third_of_the_background_change_little():
    generator = np.random.default_rng(3)
    clean = stage()
    photograph = clean + generator.normal(0.0, 2.0, clean.shape)
    photograph[60:] = 120.0 + generator.normal(0.0, 20.0, photograph[60:].shape)
    light = measure_light(rounded(photograph), Plate(rounded(clean), np.ones(SHAPE, dtype=bool)), nowhere(4))
    assert light is not None
    assert light.gain == pytest.approx(1.0, abs=0.02)
    assert light.level < 3.5


def test_a_camera_that_moved_is_noise_at_edges_alone():
    generator = np.random.default_rng(4)
    panels = generator.uniform(40, 160, (10, 14, 3)).repeat(10, axis=0).repeat(10, axis=1)[: SHAPE[0], : SHAPE[1]]
    still, moved = (
        measure_light(
            rounded(np.roll(panels, shift, axis=1) + generator.normal(0.0, 2.0, panels.shape)),
            Plate(rounded(panels), np.ones(SHAPE, dtype=bool)),
            nowhere(4),
        )
        for shift in (0, 1)
    )
    assert still is not None and moved is not None
    assert still.jitter < 0.1 < 0.4 < moved.jitter
    assert moved.level == pytest.approx(still.level, rel=0.3)


def test_noise_that_neighbors_share_raises_no_scores():
    generator = np.random.default_rng(5)
    grain = scipy.ndimage.gaussian_filter(generator.normal(size=(*SHAPE, 3)), (1.5, 1.5, 0))
    plate = Plate(rounded(stage()), np.ones(SHAPE, dtype=bool))
    photograph = rounded(stage() + 4.0 * grain / grain.std())
    light = measure_light(photograph, plate, nowhere(4))
    assert light is not None and light.score > 1.5
    assert difference(photograph, plate, everywhere(4), light).foreground.mean() < 0.02
    assert difference(photograph, plate, everywhere(4), replace(light, score=1.0)).foreground.mean() > 0.2


def test_too_little_background_is_none():
    plate = Plate(rounded(stage()), np.zeros(SHAPE, dtype=bool))
    assert measure_light(plate.rgb, plate, nowhere(4)) is None
    known = np.ones(SHAPE, dtype=bool)
    assert measure_light(plate.rgb, replace(plate, known=known), everywhere(4)) is None


def test_coverage_follows_a_soft_border():
    alpha = np.clip((np.arange(SHAPE[1]) - 60.0) / 3.0, 0.0, 1.0)[None, :, None]
    photograph = rounded((1 - alpha) * 50.0 + alpha * np.full((*SHAPE, 3), 200.0))
    plate = Plate(np.full((*SHAPE, 3), 50, dtype=np.uint8), np.ones(SHAPE, dtype=bool))
    light = Light(1.0, np.full((256, 3), 2.0, dtype=np.float32))
    coverage = difference(photograph, plate, everywhere(5), light).coverage
    assert_array_equal(coverage[4:-4], np.broadcast_to(coverage[40], (SHAPE[0] - 8, SHAPE[1])))
    row = coverage[40].astype(int)
    assert (np.diff(row) >= 0).all() and (row[:58] == 0).all() and (row[64:] == 255).all()
    assert ((row > 20) & (row < 235)).any()
    assert abs(row.sum() / 255 - alpha.sum()) < 1.5


def test_what_is_not_known_has_no_coverage():
    photograph, plate = np.full((*SHAPE, 3), 200, dtype=np.uint8), np.full((*SHAPE, 3), 50, dtype=np.uint8)
    known = np.arange(SHAPE[1])[None] < 70 * np.ones((SHAPE[0], 1))
    found = difference(photograph, Plate(plate, known), everywhere(10), Light.none())
    assert not found.coverage[:, 70:].any() and (found.coverage[:, :65] == 255).all()
    assert not found.known[:, 7:].any() and found.known[:, :7].all() and found.foreground[:, :7].all()

"""Mattes by difference: near the truth where the stage is known, never less than the mesh, and robust to bad plates."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.capture.difference import Plate
from splatrig.capture.plate_mattes import FrameMattes, PlateMattes, frame_mattes, report
from support.empty_stage import HEIGHT, NOISE, WIDTH, EmptyStage, empty_stage, noisy

NEAR = 0.1
"""Mean error of alpha that noise, colors like the stage's, and soft borders leave in hair; these are a third of it."""


@pytest.fixture(scope="module")
def scene():
    return empty_stage()


def made(scene: EmptyStage, photographs=None, plates=None, **options) -> FrameMattes:
    return frame_mattes(
        photographs or scene.photographs, plates or scene.plates, scene.vertices, scene.faces, scene.cameras, **options
    )


def errors(scene: EmptyStage, alpha: np.ndarray, cameras: np.ndarray | slice = slice(None)) -> float:
    """Return the mean error of alpha beyond the mesh, where the truth is not the stage."""
    alpha, truth, meshes = (each[cameras] for each in (alpha, scene.truth, scene.meshes))
    beyond = (meshes < 255) & (truth > 0)
    return float(np.abs(alpha[beyond].astype(float) - truth[beyond]).mean() / 255)


def test_mattes_of_all_cameras_are_near_the_truth(scene):
    mattes = made(scene)
    assert mattes.alpha.shape == (9, HEIGHT, WIDTH)
    assert errors(scene, scene.meshes) > 0.6
    assert errors(scene, mattes.alpha) < NEAR
    assert np.abs(mattes.alpha.astype(float) - scene.truth).mean() / 255 < NEAR / 10
    inside = (mattes.alpha > 127) & (scene.truth > 127)
    either = (mattes.alpha > 127) | (scene.truth > 127)
    assert all(inside.sum(axis=(1, 2)) > 0.97 * either.sum(axis=(1, 2)))
    assert mattes.known == 1.0 and mattes.foreign == ()


def test_alpha_is_soft_at_borders(scene):
    border = (scene.truth > 60) & (scene.truth < 195) & (scene.meshes == 0)
    assert np.corrcoef(made(scene).alpha[border], scene.truth[border])[0, 1] > 0.4


def test_threads_change_nothing(scene):
    assert_array_equal(made(scene).alpha, made(scene, threads=3).alpha)


def test_noise_and_brightness_of_every_photograph_are_found(scene):
    gains = np.linspace(0.85, 1.15, len(scene.photographs))
    drifted = [
        np.clip(np.rint(gain * image), 0, 255).astype(np.uint8)
        for gain, image in zip(gains, scene.photographs, strict=True)
    ]
    mattes = made(scene, drifted)
    assert_allclose([light.gain for light in mattes.lights], gains, atol=0.01)
    assert errors(scene, mattes.alpha) < NEAR
    noise = [light.level for light in made(scene).lights]
    assert_allclose(noise, np.sqrt(2) * NOISE, rtol=0.15)  # a photograph's and its plate's


def test_skin_as_dark_as_the_stage_does_not_fall_out():
    dark = empty_stage(skin=np.array([60.0, 60.0, 60.0]), hair=np.array([60.0, 60.0, 60.0]))
    assert (made(dark).alpha >= dark.meshes).all()


def test_what_one_camera_alone_sees_near_the_head_is_cut(scene):
    cable = np.zeros((HEIGHT, WIDTH), dtype=bool)
    cable[:, 18:21] = True
    cable &= scene.truth[0] == 0
    photographs = list(scene.photographs)
    photographs[0] = np.where(cable[..., None], 200, photographs[0]).astype(np.uint8)
    one = frame_mattes(photographs[:1], scene.plates[:1], scene.vertices, scene.faces, scene.cameras.select([0])).alpha[
        0
    ]
    assert (one[cable] > 127).sum() > 30  # a single camera has nobody to ask
    assert (made(scene, photographs).alpha[0][cable] > 127).sum() < 0.1 * (one[cable] > 127).sum()


def test_far_away_from_the_head_nothing_is_foreground(scene):
    photographs = list(scene.photographs)
    photographs[2] = photographs[2].copy()
    photographs[2][:20, :10] = 250
    assert (made(scene, photographs).alpha[2][:20, :10] == 0).all()


def test_where_plates_are_not_known_alpha_is_the_silhouette(scene, caplog):
    unknown = [replace(plate, known=np.zeros_like(plate.known)) for plate in scene.plates]
    mattes = made(scene, plates=unknown)
    assert_array_equal(mattes.alpha, scene.meshes)
    assert mattes.known == 0.0
    half = [Plate(plate.rgb, np.arange(WIDTH)[None] < (WIDTH // 2) * np.ones((HEIGHT, 1))) for plate in scene.plates]
    right = made(scene, plates=half).alpha[:, :, WIDTH // 2 + 1 :]
    assert_array_equal(right, scene.meshes[:, :, WIDTH // 2 + 1 :])
    with caplog.at_level(logging.WARNING):
        report("E001", [mattes], scene.cameras.names)
    assert "E001: no photograph shows enough of the stage" in caplog.text


def test_a_plate_of_another_stage_is_named_and_not_used(scene, caplog):
    generator = np.random.default_rng(5)
    plates = list(scene.plates)
    plates[4] = Plate(noisy(generator.uniform(30, 220, (HEIGHT, WIDTH, 3)), generator), scene.plates[4].known)
    mattes = made(scene, plates=plates)
    assert mattes.foreign == (4,)
    assert_array_equal(mattes.alpha[4], scene.meshes[4])
    others = np.arange(9) != 4
    assert errors(scene, mattes.alpha, others) < NEAR
    with caplog.at_level(logging.INFO):
        report("E001", [mattes], scene.cameras.names)
    assert f"E001: the plate of camera {scene.cameras.names[4]} differs from its photographs by" in caplog.text
    assert "E001: plates are known in" in caplog.text


def test_plates_that_are_wrong_by_a_pixel_cost_little(scene):
    plates = [replace(plate, rgb=np.roll(plate.rgb, 1, axis=1)) for plate in scene.plates]
    mattes = made(scene, plates=plates)
    assert (mattes.alpha >= scene.meshes).all() and mattes.foreign == ()
    wrong = (mattes.alpha > 127) & (scene.truth == 0)
    assert wrong.sum() < 0.03 * (scene.truth > 127).sum()


def test_a_camera_that_does_not_see_the_head_has_an_empty_matte(scene):
    viewmats = scene.cameras.viewmats.copy()
    viewmats[3, 0, 3] += 5000.0
    photographs = list(scene.photographs)
    photographs[3] = scene.plates[3].rgb
    cameras = replace(scene.cameras, viewmats=viewmats)
    mattes = frame_mattes(photographs, scene.plates, scene.vertices, scene.faces, cameras)
    assert not mattes.alpha[3].any()
    others = np.arange(9) != 3
    assert errors(scene, mattes.alpha, others) < NEAR


def test_mattes_are_made_once_a_frame_and_forgotten(scene):
    read: list[tuple[int, int]] = []

    def photograph(frame: int, camera: int) -> np.ndarray:
        read.append((frame, camera))
        return scene.photographs[camera]

    tracked = [SimpleNamespace(vertices=scene.vertices)] * 4
    there = np.ones((4, len(scene.cameras)), dtype=bool)
    matte = PlateMattes(photograph, scene.plates, tracked, scene.faces, [scene.cameras] * 4, there, threads=2)
    expected = made(scene).alpha
    for frame in range(4):
        for camera in (0, 8):
            assert_array_equal(matte(frame, camera), expected[camera])
    assert sorted(read) == [(frame, camera) for frame in range(4) for camera in range(9)]
    assert sorted(matte.notes) == [0, 1, 2, 3] and matte.notes[0].alpha.size == 0

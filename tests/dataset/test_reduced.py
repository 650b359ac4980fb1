"""Reduced photographs: averages of areas, digests, round trips, and files that are refused."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.reduced import (
    HEIGHT,
    Tracked,
    read_own_mesh,
    read_reduced,
    reduced,
    reduced_cameras,
    reduced_path,
    write_reduced,
)
from splatrig.io.errors import InputError

CAMERAS = Cameras(
    ("a", "b", "c"), np.tile(np.eye(4), (3, 1, 1)), np.tile(np.eye(3), (3, 1, 1)), 384, 512, np.zeros(3, dtype=bool)
)
SIZE = (192, 256)


def photograph(seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (512, 384, 3), dtype=np.uint8), generator.integers(
        0, 256, (512, 384), dtype=np.uint8
    )


def mesh(frame="000001"):
    generator = np.random.default_rng(1)
    return Tracked(frame, generator.normal(scale=90.0, size=(50, 3)), np.eye(4)[:3] + 0.5)


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "000002"
    target.mkdir()
    photographs = {camera: reduced(*photograph(camera), SIZE) for camera in (0, 2)}
    write_reduced(target, SIZE, photographs, 3, {0: mesh("000002"), 1: mesh("000003")})
    return target


def test_photographs_become_means_of_areas():
    rgb, matte = photograph()
    found = reduced(rgb, matte, SIZE)
    blocks = rgb.astype(float).mean(axis=2).reshape(256, 2, 192, 2).mean(axis=(1, 3))
    assert_allclose(found.gray, blocks, atol=1.5)  # rounded three times
    assert_allclose(found.matte, matte.reshape(256, 2, 192, 2).mean(axis=(1, 3)), atol=1.0)


def test_digests_tell_photographs_that_differ_in_one_value():
    rgb, matte = photograph()
    other = rgb.copy()
    other[300, 200, 1] ^= 1
    digests = [reduced(image, matte, SIZE).digest for image in (rgb, rgb.copy(), other)]
    assert digests[0] == digests[1] != digests[2]


def test_cameras_are_reduced_and_never_enlarged():
    assert (reduced_cameras(CAMERAS).width, reduced_cameras(CAMERAS).height) == SIZE
    small = replace(CAMERAS, height=HEIGHT - 1)
    assert reduced_cameras(small).height == HEIGHT - 1


def test_cameras_with_images_of_their_own_size_keep_their_scale():
    sizes = np.array([[384, 512], [382, 512], [384, 301]])
    small = reduced_cameras(replace(CAMERAS, sizes=sizes))
    assert_allclose(small.Ks, np.diag([0.5, 0.5, 1.0]) @ CAMERAS.Ks)
    assert_array_equal(small.own_sizes, [[192, 256], [191, 256], [192, 150]])


def test_what_is_written_is_read_again(folder):
    frame = read_reduced(folder, CAMERAS)
    for camera in (0, 2):
        expected = reduced(*photograph(camera), SIZE)
        assert_array_equal(frame.grays[camera], expected.gray)
        assert_array_equal(frame.mattes[camera], expected.matte)
        assert frame.digests[camera] == expected.digest
    assert frame.digests[1] == "" and not frame.grays[1].any()
    assert sorted(frame.meshes) == [0, 1] and frame.meshes[1].frame == "000003"
    assert_allclose(frame.meshes[0].vertices, mesh().vertices, atol=1e-4)
    assert_array_equal(frame.meshes[0].head_to_world, mesh().head_to_world)
    assert_array_equal(read_own_mesh(folder).vertices, frame.meshes[0].vertices)


def test_the_same_content_gives_the_same_bytes(folder, tmp_path):
    (tmp_path / "again" / "000002").mkdir(parents=True)
    photographs = {camera: reduced(*photograph(camera), SIZE) for camera in (0, 2)}
    write_reduced(tmp_path / "again" / "000002", SIZE, photographs, 3, {0: mesh("000002"), 1: mesh("000003")})
    assert reduced_path(tmp_path / "again" / "000002").read_bytes() == reduced_path(folder).read_bytes()


def test_a_matte_is_sampled_at_the_middles_of_larger_pixels(folder):
    frame = read_reduced(folder, CAMERAS)
    assert_array_equal(frame.matte_at(0, (256, 192)), frame.mattes[0])
    assert_array_equal(frame.matte_at(0, (64, 48)), frame.mattes[0][2::4, 2::4])


@pytest.mark.parametrize("content", [None, b"", b"PK", "cut"])
def test_a_file_that_is_missing_or_damaged_is_named(folder, content):
    path = reduced_path(folder)
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(InputError, match=r"000002_reduced\.npz: (expected a file|reduced photographs cannot be read)"):
        read_reduced(folder, CAMERAS)


def test_photographs_of_other_cameras_are_refused(folder):
    with pytest.raises(InputError, match=r"expected reduced photographs of shape \(2, 256, 192\), got \(3, 256, 192\)"):
        read_reduced(folder, CAMERAS.select([0, 1]))

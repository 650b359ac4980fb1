"""The door: what cannot be right is refused by its name, and what is right passes without a word."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.io.errors import InputError
from splatrig.landmarks.calibration_faults import Scene, mirrored, mirrored_world
from splatrig.landmarks.canonical import Similarity
from splatrig.landmarks.check import check_axes, check_positions, check_scene, off_center
from splatrig.mesh.nearest import Surface
from support.capture_faults import FACING_AWAY, MIRROR, Y_DOWN, Z_UP
from support.face_scene import CANONICAL, HEIGHT, POSE, WIDTH, face_mesh, face_scene, stage

Spoil = Callable[[Scene], Scene]
VERTICES, FACES = face_mesh()


def photographed(factor: float = 1.0, left: float = 0.0, top: float = 0.0) -> Spoil:
    """Photographs resized by a factor, then cropped by columns and rows; the calibration stays."""

    def spoil(scene: Scene) -> Scene:
        width, height = round(factor * WIDTH - left), round(factor * HEIGHT - top)
        cameras = replace(scene.cameras, width=width, height=height)
        return replace(scene, cameras=cameras, seen=factor * scene.seen - [left, top])

    return spoil


def head_space(turn: np.ndarray) -> Spoil:
    """Head space with other axes, in meshes and poses."""

    def spoil(scene: Scene) -> Scene:
        pose = np.column_stack([POSE[:, :3] @ turn.T, POSE[:, 3]])
        return replace(scene, head_to_world=pose, surface=Surface(VERTICES @ turn.T, FACES))

    return spoil


def meshes(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """Tracked meshes that are changed, and poses that are not."""
    return lambda scene: replace(scene, surface=Surface(change(VERTICES), FACES))


def viewmats(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """Cameras with other extrinsics [C, 4, 4]."""
    return lambda scene: replace(scene, cameras=replace(scene.cameras, viewmats=change(scene.cameras.viewmats)))


def in_metres(matrices: np.ndarray) -> np.ndarray:
    scaled = matrices.copy()
    scaled[:, :3, 3] *= 0.001
    return scaled


def shuffled(matrices: np.ndarray) -> np.ndarray:
    """The right cameras under each other's names."""
    return np.roll(matrices, 1, axis=0)


REFUSED: list[tuple[str, Spoil, str]] = [
    (
        "halved",
        photographed(0.5),
        r"camera 0\d: principal point .* of 250×400 pixels: .* 2 times as large",
    ),
    ("doubled", photographed(2.0), r"photographs 0\.5 times as large.* multiply fx, fy, cx and cy by 2, of every"),
    ("cropped", photographed(left=25, top=40), r"cropped: .*at \(-2[3-7], -(39|40|41)\).* add -2[3-7]\.\d to cx"),
    ("cropped at the top", photographed(top=80), r"cropped: .*at \(-?\d, -(79|80|81)\)"),
    ("halved and cropped", photographed(0.5, 20, 10), "as large, and the photographs are cropped"),
    ("z up", head_space(Z_UP), r"left is \+x, up is \+z and the face looks along -y; expected left \+x, up \+y"),
    ("y down", head_space(Y_DOWN), r"left is \+x, up is -y and the face looks along -z"),
    ("facing away", head_space(FACING_AWAY), r"left is -x, up is \+y and the face looks along -z"),
    (
        "meshes alone with z up",
        meshes(lambda v: v @ Z_UP.T),
        r"up is \+z .* along -y.*or else the poses",
    ),
    ("photographs mirrored", mirrored, "the photographs are mirrored, left to right"),
    ("world mirrored", mirrored_world, "tracked meshes are mirrored against the photographs"),
    ("metres", viewmats(in_metres), "looks like meters, multiply by 1000"),
    ("camera to world", viewmats(np.linalg.inv), "extrinsics go from camera to world"),
    ("OpenGL", viewmats(lambda v: np.diag([1, -1, -1, 1.0]) @ v), r"look along -z with y up \(OpenGL\)"),
    ("names exchanged", viewmats(shuffled), "the calibration is not that of these photographs"),
    ("another place", meshes(lambda v: v + np.array([0, 25, 0])), "mesh or pose is of another frame or subject"),
]


@pytest.mark.parametrize(("spoil", "name"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_fault_is_refused_by_its_name(spoil, name):
    with pytest.raises(InputError) as caught:
        check_scene(spoil(face_scene()), "KRT")
    assert re.search(name, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_figures_are_those_of_the_raw_photographs():
    with pytest.raises(InputError, match=r"photographs of 500×800 pixels: .* 2 times as large"):
        check_scene(photographed(0.5)(face_scene()), "KRT", image_scale=0.5)


def principal_points(fraction: float) -> Spoil:
    """Principal points elsewhere, in calibration and photographs."""

    def spoil(scene: Scene) -> Scene:
        shift = fraction * np.array([WIDTH, HEIGHT]) - scene.cameras.Ks[:, :2, 2].mean(axis=0)
        Ks = scene.cameras.Ks.copy()
        Ks[:, :2, 2] += shift
        return replace(scene, cameras=replace(scene.cameras, Ks=Ks), seen=scene.seen + shift)

    return spoil


def noisy(vertices: np.ndarray) -> np.ndarray:
    return vertices + np.random.default_rng(0).normal(0, 0.5, vertices.shape)


PASSED: list[tuple[str, Spoil]] = [
    ("as it is", lambda scene: scene),
    ("principal points at 0.44", principal_points(0.44)),
    ("tracking noise", meshes(noisy)),
    ("a head that is tilted", head_space(Rotation.from_euler("x", 15, degrees=True).as_matrix())),
    ("two cameras", lambda scene: replace(scene, cameras=scene.cameras.select([3, 5]), seen=scene.seen[[3, 5]])),
]


@pytest.mark.parametrize("spoil", [row[1] for row in PASSED], ids=[row[0] for row in PASSED])
def test_what_is_right_passes_without_a_word(spoil):
    assert check_scene(spoil(face_scene()), "KRT") == []


def test_a_camera_that_disagrees_is_named():
    scene = face_scene()
    scene.seen[4] += [25.0, 0.0]
    assert [text[:9] for text in check_scene(scene, "KRT")] == ["camera 04"]


def test_a_mesh_a_little_off_is_worth_a_look():
    odd = check_scene(meshes(lambda v: v + np.array([0, 4.5, 0]))(face_scene()), "KRT")
    assert len(odd) == 1 and re.search(r"moved by [3-6] mm .* of another frame", odd[0])


def test_two_cameras_that_disagree_cast_doubt_and_refuse_nothing():
    scene = viewmats(shuffled)(face_scene())
    few = replace(scene, cameras=scene.cameras.select([3, 5]), seen=scene.seen[[3, 5]])
    odd = check_scene(few, "KRT")
    assert len(odd) == 1 and "the calibration is not that of these photographs" in odd[0]


def test_a_face_that_leans_or_is_small_is_worth_a_look():
    leaning = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    assert "turned by 30°" in check_axes(Similarity(1.0, leaning, np.zeros(3)))[0]
    assert "0.60 times" in check_axes(Similarity(0.6, np.eye(3), np.zeros(3)))[0]
    with pytest.raises(InputError, match="mirrored against the photographs"):
        check_axes(Similarity(1.0, MIRROR, np.zeros(3)))


def test_landmarks_of_a_user_are_checked_too():
    surface = Surface(VERTICES, FACES)
    some = np.where((np.arange(len(CANONICAL)) % 4 == 0)[:, None], CANONICAL, np.nan)
    assert check_positions(some, CANONICAL, surface, "own.csv") == []
    with pytest.raises(InputError, match=r"own\.csv: the face is .* looks like meters"):
        check_positions(0.001 * some, CANONICAL, surface, "own.csv")
    with pytest.raises(InputError, match=r"own\.csv: the landmarks are \d+ mm away"):
        check_positions(some + np.array([0, 0, 60.0]), CANONICAL, surface, "own.csv")
    with pytest.raises(InputError, match=r"up is \+z"):
        check_positions(some @ Z_UP.T, CANONICAL, Surface(VERTICES @ Z_UP.T, FACES), "own.csv")


def test_without_a_face_principal_points_alone_are_looked_at():
    assert off_center(stage()) == []
    halved = replace(stage(), width=WIDTH // 2, height=HEIGHT // 2)
    assert "photographs 1.9 times as large" in off_center(halved)[0]

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from splatrig.io.errors import InputError
from splatrig.landmarks.points import LIDS, NETWORK_POINTS, POINTS
from splatrig.tracking.faces import LID_ROWS, SegmentFaces, find_faces
from support import tiny
from support.photographed_template import landmarks_seen, pose_of, stage, state, write_shots


class Finder:
    """Sees in each photograph, which its gray value names, the faces that it was told."""

    def __init__(self, faces):
        self.faces = faces

    def find_all(self, pixels):
        return [as_network(points) for points in self.faces[int(pixels[0, 0, 0]) // 20]]


class Eyes:
    """Sees lids in the middle of every crop."""

    size = 64

    def find(self, _pixels, right):
        points = len(LIDS["right eye" if right else "left eye"])
        return np.full((points, 2), 32.0), np.full((5, 2), 32.0)


def as_network(points):
    found = np.full((NETWORK_POINTS, 2), np.nan)
    found[list(POINTS)] = points
    return found


def found_in(folder, faces, cameras):
    """Return the faces found in one photograph per camera."""
    gray = [np.full((cameras.height, cameras.width), 20 * row / 255, np.float32) for row in range(len(cameras))]
    shots = write_shots(folder, "Talk", {"0001": gray}, cameras)
    return find_faces(shots.layout, "Talk", cameras, Finder(faces), Eyes(), shots.color_table, shots.lenses)


def test_points_are_fractions_of_what_each_camera_has_photographed():
    cameras = tiny.cameras(3)
    sizes = np.array([[40, 48], [40, 46], [30, 48]])
    seen = np.full((1, 2, len(POINTS), 2), 0.5, dtype=np.float32)
    faces = SegmentFaces(("1",), (cameras.names[0], cameras.names[2]), seen, seen[:, :, LID_ROWS])
    found = faces.of("1", replace(cameras, sizes=sizes))
    assert_allclose(found[[0, 2]], np.broadcast_to(sizes[[0, 2], None] / 2, (2, len(POINTS), 2)))
    assert np.isnan(found[1]).all(), "a camera that was not asked"
    assert_allclose(faces.lids_of("1", cameras)[2, 0], [20, 24])


def test_a_person_behind_who_is_clearer_is_not_tracked_and_said(tmp_path, caplog):
    cameras = stage()
    person = landmarks_seen(state(pose_of((3.0, 5.0, 0.0), (0.0, 0.0, 0.0))), cameras, noise_px=0.5)
    behind = landmarks_seen(state(pose_of((0.0, -8.0, 2.0), (160.0, 30.0, -500.0))), cameras, noise_px=0.5)
    faces = [[other, own] for own, other in zip(person, behind, strict=True)]
    faces[2] = [person[2], behind[2]]
    faces[4] = []
    found = found_in(tmp_path, faces, cameras)
    assert_allclose(found.of("0001", cameras)[:4], person[:4], atol=1e-3)
    assert np.isnan(found.seen[0, 4]).all() and np.isnan(found.lids[0, 4]).all()
    assert_allclose(found.lids_of("0001", cameras)[:4].mean(axis=1), person[:4][:, LID_ROWS].mean(axis=1), atol=3.0)
    assert "4 of 5 photographs show more than one face" in caplog.text


def test_one_face_or_none_in_every_photograph_is_no_matter(tmp_path, caplog):
    cameras = stage()
    person = landmarks_seen(state(pose_of((3.0, 5.0, 0.0), (0.0, 0.0, 0.0))), cameras)
    found = found_in(tmp_path / "one", [[points] for points in person], cameras)
    assert_allclose(found.of("0001", cameras), person, atol=1e-3)
    assert np.isnan(found_in(tmp_path / "none", [[] for _ in person], cameras).seen).all()
    assert "more than one face" not in caplog.text


def test_a_segment_without_photographs_is_named(tmp_path):
    cameras = stage()
    shots = write_shots(tmp_path, "Talk", {}, cameras)
    with pytest.raises(InputError, match="images/Talk: expected photographs, got none"):
        find_faces(shots.layout, "Talk", cameras, Finder([]), Eyes(), shots.color_table, shots.lenses)

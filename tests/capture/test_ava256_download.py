"""A subject of Ava-256 is fetched from a release: only chosen cameras, what is missing is said, nothing twice."""

import hashlib
import logging

import pytest

from splatrig.capture import ava256_download
from splatrig.capture.ava256_download import (
    COMMON,
    LISTS,
    camera_archives,
    choose_cameras,
    describe_plan,
    fetch_archives,
    fetch_lists,
    link_archives,
    link_file,
)
from splatrig.io.errors import InputError
from splatrig.io.files import files_in
from support.raw_capture import NEUTRAL, SMILE
from support.release_server import SETTINGS
from support.releases import ELSEWHERE, EMPTY, Source, write_ava256

CAMERAS = ["400002", "400017"]
PATHS = [*COMMON, *camera_archives(["image", "segmentation_parts"], CAMERAS)]


@pytest.fixture
def url(raw, tmp_path, monkeypatch):
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    root = write_ava256(Source.of(raw.root), tmp_path / "release" / "decoder")
    topology = (root / "face_topology.obj").read_bytes()
    monkeypatch.setattr(ava256_download, "TOPOLOGY_URL", f"file://{root}/face_topology.obj")
    monkeypatch.setattr(ava256_download, "TOPOLOGY_MD5", hashlib.md5(topology).hexdigest())
    return f"file://{root}"


def test_chosen_cameras_are_fetched_and_linked(url, tmp_path):
    archives, root = tmp_path / "mine" / "archives", tmp_path / "mine"
    fetch_lists(url, [root / name for name in LISTS], SETTINGS)
    fetch_archives(url, PATHS, archives, SETTINGS, at_once=2)
    link_archives(archives, camera_archives(["image"], CAMERAS), root / "image")
    for path in (*COMMON, "face_topology.obj"):
        link_file(archives, path, root / path)
    assert [path.name for path in files_in(root / "image")] == ["cam400002.zip", "cam400017.zip"]
    for path in ("image/cam400017.zip", *COMMON, "face_topology.obj", *LISTS):
        assert (root / path).read_bytes() == (tmp_path / "release" / "decoder" / path).read_bytes()
    assert (root / "image" / "cam400002.zip").stat().st_nlink == 2, "a link takes no disk"


def test_what_is_there_is_not_fetched_again(url, tmp_path):
    fetch_archives(url, PATHS, tmp_path / "a", SETTINGS, at_once=1)
    before = {path: path.stat().st_mtime_ns for path in files_in(tmp_path / "a")}
    fetch_archives(url, [*PATHS, "image/cam400030.zip"], tmp_path / "a", SETTINGS, at_once=1)
    after = {path: path.stat().st_mtime_ns for path in files_in(tmp_path / "a")}
    assert set(after) - set(before) == {tmp_path / "a" / "image" / "cam400030.zip"}
    assert before.items() <= after.items()


def test_a_camera_without_an_archive_is_named_and_left_out(url, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        fetch_archives(url, [*PATHS, f"image/cam{ELSEWHERE}.zip"], tmp_path / "a", SETTINGS, at_once=2)
    assert f"image/cam{ELSEWHERE}.zip: not in the release; this camera is left out" in caplog.text
    link_archives(tmp_path / "a", camera_archives(["image"], [*CAMERAS, ELSEWHERE]), tmp_path / "image")
    assert len(files_in(tmp_path / "image")) == 2


def test_what_every_subject_has_must_be_there(url, tmp_path):
    (tmp_path / "release" / "decoder" / "head_pose" / "head_pose.zip").unlink()
    with pytest.raises(InputError, match=r"head_pose\.zip: there is no such file"):
        fetch_archives(url, PATHS, tmp_path / "a", SETTINGS, at_once=2)


def test_another_topology_than_the_one_known_is_refused(url, tmp_path, monkeypatch):
    monkeypatch.setattr(ava256_download, "TOPOLOGY_MD5", 32 * "0")
    with pytest.raises(InputError, match=r"face_topology\.obj: fetched 2 times, and its MD5"):
        fetch_archives(url, PATHS, tmp_path / "a", SETTINGS, at_once=2)


def test_a_plan_counts_files_and_bytes_and_names_the_license(url, tmp_path):
    fetch_archives(url, PATHS[:4], tmp_path / "mine" / "archives", SETTINGS, at_once=2)
    rows = describe_plan(url, PATHS, tmp_path / "mine" / "archives", SETTINGS).splitlines()
    table = {row.split()[0]: row.split()[1:3] for row in rows}
    assert table["image"] == ["2", "1"]
    assert table["segmentation_parts"] == ["2", "0"]
    assert table["all"] == ["7", "4"]
    assert any(row.startswith("free there") for row in rows)
    assert "CC BY-NC 4.0" in rows[-1]


def test_cameras_are_those_of_the_calibration():
    known = ["400017", EMPTY, "400002"]
    assert choose_cameras(known, "all") == ["400002", "400017", EMPTY]
    assert choose_cameras(known, ["400017"]) == ["400017"]
    with pytest.raises(InputError, match=r"capture\.cameras: camera 7 has no calibration; there are 400002, 400017"):
        choose_cameras(known, ["7"])

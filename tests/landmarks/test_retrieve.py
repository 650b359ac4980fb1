"""The networks are those that are pinned, or nothing."""

import zipfile
from pathlib import Path

import pytest

from splatrig.io.errors import InputError
from splatrig.io.wheel import check_wheel
from splatrig.landmarks.retrieve import (
    LICENSE,
    MESH,
    WHEEL,
    extract,
    retrieve_face_networks,
    retrieve_segmentation_network,
)
from support.face_networks import FOLDER, face_finder


def test_another_wheel_is_refused(tmp_path: Path):
    (tmp_path / "mediapipe.whl").write_bytes(b"not the wheel")
    with pytest.raises(InputError, match=r"mediapipe\.whl has SHA-256 .*, expected a8073283"):
        check_wheel(WHEEL, tmp_path / "mediapipe.whl")


def test_another_network_and_a_missing_one_are_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        archive.writestr(MESH.name, b"other bytes")
    with pytest.raises(InputError, match=r"face_landmark\.tflite has SHA-256 .*, expected 1055cb9d"):
        extract(tmp_path / "some.whl", MESH)
    with pytest.raises(InputError, match=r"some\.whl holds no .*LICENSE"):
        extract(tmp_path / "some.whl", LICENSE)


def test_being_offline_is_one_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    paths = [tmp_path / "out" / name for name in ("detector", "mesh", "iris", "license")]
    with pytest.raises(InputError, match=r"pip download mediapipe==0\.10\.14.* failed .*capture\.landmarks") as caught:
        retrieve_face_networks(*paths)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"The network that finds people: .*set capture.background to silhouette"):
        retrieve_segmentation_network(tmp_path / "out" / "network", tmp_path / "out" / "license")
    assert not (tmp_path / "out").exists()


def test_the_licence_lies_beside_the_networks():
    face_finder()
    assert "Apache License" in (FOLDER / "mediapipe_LICENSE.txt").read_text(encoding="utf-8")

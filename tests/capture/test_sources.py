"""What a capture tells before the run."""

import shutil
from pathlib import Path

import pytest

from splatrig.capture import codec_avatars
from splatrig.capture.sources import chosen_expressions, known_cameras, known_segments, tracked_frames
from splatrig.config.load import load_config
from splatrig.io.errors import InputError
from support.raw_capture import NEUTRAL, SMILE
from support.releases import ELSEWHERE, EMPTY, SENSOR, Source, write_ava256, write_goliath, write_nerf

ROOT = Path(__file__).resolve().parents[2]
WRITERS = {"ava256": write_ava256, "goliath": write_goliath, "nerf": write_nerf}


def config_of(source, root, **capture):
    raw = {"preset": source, "neutral": NEUTRAL, "capture": {"root": str(root), "expressions": "all", **capture}}
    return load_config(raw, ROOT / "workflow" / "presets")


@pytest.fixture
def masked(raw):
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    return raw


@pytest.mark.parametrize("source", ["local", *WRITERS])
def test_segments_cameras_and_frames_are_known_before_the_run(masked, tmp_path, monkeypatch, source):
    monkeypatch.setattr(codec_avatars, "SENSOR", SENSOR)
    root = masked.root if source == "local" else WRITERS[source](Source.of(masked.root), tmp_path / "other")
    config = config_of(source, root)
    assert known_segments(config, ROOT / "resources") == [NEUTRAL, SMILE]
    assert chosen_expressions(config, ROOT / "resources") == [NEUTRAL, SMILE]
    assert set(masked.cameras) <= set(known_cameras(config)) <= {*masked.cameras, EMPTY, ELSEWHERE}
    assert tracked_frames(config, [NEUTRAL, SMILE]) == {NEUTRAL: 3, SMILE: 4}


def test_a_subject_that_is_still_to_be_fetched_tells_nothing(masked, tmp_path):
    config = config_of("ava256", tmp_path / "none", entity="20230405--1635--AAN112", expressions="multiface_v2")
    assert known_segments(config, ROOT / "resources") is None
    assert known_cameras(config) is None
    assert tracked_frames(config, ["EXP_neutral_peak"]) == {}
    assert "EXP_neutral_peak" in chosen_expressions(config, ROOT / "resources")
    root = write_ava256(Source.of(masked.root), tmp_path / "listed")
    shutil.rmtree(root / "kinematic_tracking")
    listed = config_of("ava256", root, entity="20230405--1635--AAN112")
    assert known_segments(listed, ROOT / "resources") == [NEUTRAL, SMILE]
    assert tracked_frames(listed, [NEUTRAL]) == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("local", "has no KRT and no images and no tracked_mesh"),
        ("ava256", r"frame_list\.csv: expected the table of segments and frames, got none; check capture\.root"),
        ("goliath", r"light_pattern_per_frame\.json|frame_segments_list\.csv"),
        ("nerf", r"expected transforms\.json"),
    ],
)
def test_a_folder_that_is_no_capture_is_one_sentence(tmp_path, source, words):
    with pytest.raises(InputError, match=words):
        known_segments(config_of(source, tmp_path), ROOT / "resources")


def test_cameras_of_photographs_alone_are_known_by_their_folders_or_videos(tmp_path):
    config = config_of("photographs", tmp_path)
    for name in ("front", "left"):
        (tmp_path / "images" / SMILE / name).mkdir(parents=True)
    assert known_cameras(config) is None
    (tmp_path / "videos" / NEUTRAL).mkdir(parents=True)
    for name in ("top.mp4", "front.mp4", ".DS_Store", "Thumbs.db"):
        (tmp_path / "videos" / NEUTRAL / name).touch()
    assert known_cameras(config) == ["front", "top"]

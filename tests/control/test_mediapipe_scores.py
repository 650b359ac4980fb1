import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatrig.blendshapes.arkit import NAMES
from splatrig.control.mediapipe_scores import json_scores_track, scores_track
from splatrig.control.recorded import parse_table
from splatrig.control.track import Track
from splatrig.io.errors import InputError

CATEGORIES = ("_neutral", *sorted(name for name in NAMES if name != "tongueOut"))
"""MediaPipe's, in its order."""


def read(text: str, **options: object) -> Track:
    return scores_track(parse_table(text, "x.csv"), "x.csv", **options)


def read_json(document: object, **options: object) -> Track:
    return json_scores_track(json.loads(json.dumps(document)), "x.json", **options)


def scores(seed: int) -> dict[str, float]:
    return dict(zip(CATEGORIES, np.random.default_rng(seed).uniform(size=52).tolist(), strict=True))


FRAMES = [scores(seed) for seed in range(3)]
EXPECTED = np.array([[frame[name] for name in NAMES if name != "tongueOut"] for frame in FRAMES])
PYTHON = [
    {
        "timestamp_ms": 1000 + 40 * number,
        "face_blendshapes": [[{"index": 0, "score": score, "category_name": name} for name, score in frame.items()]],
    }
    for number, frame in enumerate(FRAMES)
]
JAVASCRIPT = {
    "frames": [
        {
            "timestamp": 0.04 * number,
            "faceBlendshapes": [
                {
                    "categories": [{"categoryName": name, "score": score} for name, score in frame.items()],
                    "headIndex": -1,
                }
            ],
        }
        for number, frame in enumerate(FRAMES)
    ]
}
BY_NAME = [{"time_us": 40_000 * number, **frame} for number, frame in enumerate(FRAMES)]
NESTED = {"results": [{"frame": 5 + number, "blendshapes": frame} for number, frame in enumerate(FRAMES)]}


@pytest.mark.parametrize(
    "document", [PYTHON, JAVASCRIPT, BY_NAME, NESTED], ids=["python", "javascript", "names", "nested"]
)
def test_what_programs_write_as_json_is_the_same(document):
    track = read_json(document, frames_per_second=25.0)
    assert track.names == tuple(name for name in NAMES if name != "tongueOut")
    assert np.array_equal(track.weights, EXPECTED)
    assert np.allclose(track.times, [0.0, 0.04, 0.08])


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("timestamp_ms", "1000 1040 1080"),
        ("Timestamp", "1000 1040 1080"),
        ("time_s", "7.0 7.04 7.08"),
        ("time", "7.0 7.04 7.08"),
        ("timestamp", "7000000 7040000 7080000"),
        ("frame", "0 1 2"),
        ("frame_idx", "10 11 12"),
        ("face", "0 0 0"),
    ],
)
def test_a_column_tells_the_time_by_its_name_or_by_its_steps(column, values):
    rows = [",".join([value, *map(repr, frame.values())]) for value, frame in zip(values.split(), FRAMES, strict=True)]
    track = read("\n".join([",".join([column, *CATEGORIES]), *rows]), frames_per_second=25.0)
    assert np.array_equal(track.weights, EXPECTED)
    assert np.allclose(track.times, [0.0, 0.04, 0.08])


@given(rate=st.floats(5, 120), count=st.integers(2, 20))
def test_times_without_a_unit_are_seconds_milliseconds_or_microseconds(rate, count):
    for unit in (1, 1000, 1_000_000):
        times = np.arange(count) / rate * unit
        track = read("timestamp,jawOpen\n" + "\n".join(f"{time!r},0.5" for time in times.tolist()))
        assert np.allclose(track.times, np.arange(count) / rate)


def test_the_first_face_of_a_frame_counts_and_frames_without_one_are_filled():
    document = [
        {"time_s": 0.0, "scores": {"jawOpen": 0.2}},
        {"time_s": 0.5, "faceBlendshapes": []},
        {"time_s": 0.7},
        {"time_s": 1.0, "face_blendshapes": [[{"name": "jawOpen", "score": 0.4}], [{"name": "jawOpen", "score": 0.9}]]},
    ]
    assert np.allclose(read_json(document).weights[:, 0], [0.2, 0.3, 0.34, 0.4])
    assert np.allclose(read("time,jawOpen\n0,0.2\n0,0.9\n1,0.4\n").weights[:, 0], [0.2, 0.4])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("jawOpen\n1\n", "x.csv: expected a column of times (time_s, timestamp_ms), got none; add it, or set"),
        ("frame,jawOpen\n0,1\n", "x.csv: expected a column of times (time_s, timestamp_ms), got frame numbers"),
        ("time,jawOpen\n0,1\n,1\n", "x.csv line 3: expected a time, got none"),
        ("time,jawOpen\n0,1\nx,1\n", "x.csv line 3, column 'time': expected a finite number, got 'x'"),
        ("time,jawOpen\n1,1\n0,1\n", "x.csv line 3: expected increasing times, got 1 s less than before"),
    ],
)
def test_a_broken_table_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(InputError) as error:
        read(text)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "x.json: expected a list of frames, or an object with one under frames or results, got {}"),
        ([], "x.json: expected a list of frames"),
        ({"frames": 3}, "x.json: expected a list of frames"),
        ([3], "x.json, frame 0: expected an object with a time and scores, got 3"),
        ([{"time": 0}], "x.json: expected scores named after ARKit's blendshapes (jawOpen, …), got none in any frame"),
        ([{"time": 0, "categories": 3}], "x.json, frame 0: expected scores by name, got 3"),
        ([{"time": 0, "categories": [{"score": 1}]}], "x.json, frame 0: expected categories with a name and a score"),
        (
            [{"time": 0, "categories": [{"score": 1}, 2]}],
            "x.json, frame 0: expected categories with a name and a score",
        ),
        (
            [{"time": 0, "categories": [{"name": "jawOpen", "score": "x"}]}],
            "x.json, frame 0, score of jawOpen: expected a finite number, got 'x'",
        ),
        (
            [{"time": 0, "jawOpen": 1, "jawLeft": 1}, {"time": 1, "jawOpen": 1}],
            "x.json, frame 1: expected all 2 scores or none, but jawLeft is missing",
        ),
        (
            [{"time": 0, "jawOpen": 1}, {"jawOpen": 1}],
            "x.json, frame 1, key 'time': expected a finite number, got None",
        ),
        ([{"jawOpen": 1}], "x.json: expected a column of times (time_s, timestamp_ms), got none"),
    ],
)
def test_a_broken_document_is_refused_in_one_sentence(document, sentence):
    with pytest.raises(InputError) as error:
        read_json(document)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)

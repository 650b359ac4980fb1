"""Frame selection and the table of frames."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatrig.dataset.frames import (
    ChosenFrame,
    FrameRow,
    check_enough,
    merge_frames,
    read_chosen_frames,
    read_frames,
    select_frames,
    write_frames,
)
from splatrig.io.errors import InputError


def never(_):
    raise AssertionError("this selection needs no positions")


@given(st.integers(1, 20), st.integers(1, 50), st.sampled_from(["first", "uniform", "spread"]))
def test_any_selection_is_increasing_and_begins_with_the_first(count, available, selection):
    rng = np.random.default_rng(available)
    positions = rng.normal(size=(available, 4, 3))
    chosen = select_frames(count, available, selection, lambda i: positions[i])
    assert len(chosen) == min(count, available)
    assert chosen == sorted(set(chosen))
    assert chosen[0] == 0
    assert chosen[-1] < available


def test_first_and_uniform_look_at_no_mesh():
    assert select_frames(3, 10, "first", never) == [0, 1, 2]
    assert select_frames(3, 11, "uniform", never) == [0, 5, 10]
    assert select_frames(1, 11, "uniform", never) == [0]


def test_spread_takes_the_peak_of_an_expression():
    opening = np.concatenate([np.linspace(0, 1, 6), np.linspace(1, 0, 15)])  # peak at 5
    shape = np.random.default_rng(0).normal(size=(10, 3))
    assert select_frames(2, 21, "spread", lambda i: opening[i] * shape) == [0, 5]


def test_spread_of_identical_frames_still_gives_distinct_ones():
    assert select_frames(4, 9, "spread", lambda _: np.zeros((3, 3))) == [0, 1, 2, 3]


def test_spread_is_the_greedy_farthest_point_sequence():
    points = np.random.default_rng(1).normal(size=(30, 5, 3))
    chosen = [0]
    while len(chosen) < 6:
        gaps = [min(np.linalg.norm(p - points[c]) for c in chosen) for p in points]
        chosen.append(int(np.argmax(gaps)))
    assert select_frames(6, 30, "spread", lambda i: points[i]) == sorted(chosen)


def row(expression, frame, neutral=False):
    return ChosenFrame(expression, frame, 3, f"tracked_mesh/{expression}/{frame}.obj", "p.txt", neutral)


def test_tables_come_back_with_their_zeros_and_merge_in_order(tmp_path):
    first, second = [row("E001", "000102", True), row("E001", "000105")], [row("NA", "000001")]
    write_frames(tmp_path / "a.csv", first)
    write_frames(tmp_path / "b.csv", second)
    assert list(read_chosen_frames(tmp_path / "a.csv")["frame"]) == ["000102", "000105"]
    merged = merge_frames([tmp_path / "a.csv", tmp_path / "b.csv"], held_out=["NA"])
    roles = ["train", "train", "held_out"]
    assert merged == [FrameRow(**asdict(r), role=role) for r, role in zip(first + second, roles, strict=True)]
    write_frames(tmp_path / "frames.csv", merged)
    table = read_frames(tmp_path / "frames.csv")
    assert list(table["frame"]) == ["000102", "000105", "000001"]
    assert list(table["neutral"]) == [True, False, False]
    assert list(table["role"]) == ["train", "train", "held_out"]


@pytest.mark.parametrize("neutrals", [0, 2])
def test_anything_but_one_neutral_is_refused(tmp_path, neutrals):
    write_frames(tmp_path / "a.csv", [row("E001", f"{i}", i < neutrals) for i in range(3)])
    with pytest.raises(InputError, match=f"got {neutrals} neutral frames in 3 frames"):
        merge_frames([tmp_path / "a.csv"])


def test_other_tables_are_refused_by_name(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"other\.csv.*expression is missing"):
        read_frames(tmp_path / "other.csv")


def test_a_missing_table_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"frames\.csv: expected a file, got none; run the pipeline"):
        read_frames(tmp_path / "frames.csv")


def test_too_few_frames_for_the_components_are_refused_before_they_are_fitted():
    rows = [FrameRow("E1", str(row), 3, "", "", row == 0, "train") for row in range(4)]
    rows.append(FrameRow("E2", "0", 3, "", "", False, "held_out"))
    check_enough(rows, 3)
    with pytest.raises(InputError, match=r"components\.k: 4 components need 5 .*, and 4 are left .* to 3,"):
        check_enough(rows, 4)

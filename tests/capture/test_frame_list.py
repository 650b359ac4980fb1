"""The frame list: round trips, tolerance, and errors that name the line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatrig.capture.frame_list import in_time_order, read_frame_list
from splatrig.io.errors import InputError

segment = st.sampled_from(["E001_Neutral_Eyes_Open", "E074_Blink", "SEN_near-at-hand", "GAZ_g002_400356_x-led_24"])
CODES = st.sampled_from(["utf-8", "utf-8-sig"])
frame = st.from_regex(r"[0-9]{6}", fullmatch=True)


@given(
    rows=st.lists(st.tuples(segment, frame), min_size=1),
    newline=st.sampled_from(["\n", "\r\n", "\n\n"]),
    code=CODES,
)
@settings(max_examples=25, deadline=None)
def test_every_listed_frame_is_found_once_and_in_time_order(tmp_path_factory, rows, newline, code):
    path = tmp_path_factory.mktemp("list") / "frame_list.txt"
    path.write_bytes(newline.join(f"{name} {number}" for name, number in rows).encode(code))
    expected = {name: tuple(sorted({number for other, number in rows if other == name})) for name, _ in rows}
    assert read_frame_list(path) == expected


def test_frames_are_ordered_by_their_numbers_with_leading_zeros_or_without():
    assert in_time_order(["10", "9", "100"]) == ("9", "10", "100")
    assert in_time_order(["take2_10", "take2_9", "take1_11"]) == ("take1_11", "take2_9", "take2_10")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("E001 000102\nE001\n", "line 2: expected `SEGMENT FRAME`, got 1 words"),
        ("E001 000102 3\n", "line 1: expected `SEGMENT FRAME`, got 3 words"),
        ("\n../../etc 000102\n", "line 2: expected the name"),
        ("E001 a/b\n", "line 1: expected the name"),
        (" \n", "got an empty file"),
    ],
)
def test_faults_name_file_and_line(tmp_path, text, words):
    path = tmp_path / "frame_list.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_frame_list(path)
    assert "frame_list.txt" in str(caught.value)

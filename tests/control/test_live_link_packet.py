"""Packets of Live Link Face: weights by name, and what is no such packet."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatrig.blendshapes.arkit import NAMES
from splatrig.control.live_link_packet import COUNT, VERSION, weights_of_packet
from splatrig.io.errors import InputError
from support.live_link_sender import DEVICE, packet, packet_of

values = st.lists(st.floats(0, 1, width=32), min_size=COUNT, max_size=COUNT)
RAMP = [k / 61 for k in range(61)]


@given(values, st.text(max_size=20), st.text(max_size=40), st.integers(0, 2**31 - 1))
def test_what_is_sent_is_read_whatever_device_and_subject_are_called(numbers, subject, device, frame):
    found = weights_of_packet(packet(numbers, subject=subject, device=device, frame=frame))
    assert found == dict(zip(NAMES, numbers[:52], strict=True))


def test_the_order_is_that_of_the_packets_and_not_that_of_the_files():
    # Places in PyLiveLinkFace (MIT), pylivelinkface.py: FaceBlendShape.
    places = {"eyeBlinkLeft": 0, "eyeBlinkRight": 7, "jawForward": 14, "jawLeft": 15, "jawRight": 16, "jawOpen": 17}
    places |= {"mouthLeft": 21, "mouthRight": 22, "mouthSmileLeft": 23, "browInnerUp": 43, "tongueOut": 51}
    found = weights_of_packet(packet(RAMP))
    assert {name: round(61 * found[name]) for name in places} == places


def test_the_head_of_a_packet_is_as_others_read_it():
    # PyLiveLinkFace takes the version for four bytes, little-endian, and the length of the device for its first letter.
    content = packet(RAMP, subject="me")
    assert struct.unpack_from("<i", content) == (VERSION,)
    assert content[4:41].decode() == f"${DEVICE}"
    assert struct.unpack_from(">i", content, 41) == (2,)
    assert struct.unpack_from("!if2ib", content, 47) == (7, 0.25, 60, 1, 61)
    assert len(content) == 47 + 17 + 4 * 61


@pytest.mark.parametrize("content", [packet(None), packet([], count=0)])
def test_a_frame_without_a_face_has_no_weights(content):
    assert weights_of_packet(content) == {}


@given(st.integers(0, len(packet(RAMP)) - 1))
def test_a_packet_that_is_cut_short_is_refused(length):
    cut = packet(RAMP)[:length]
    if cut == packet(None):
        return  # a frame without a face
    with pytest.raises(InputError, match=rf"^UDP packet of {length} bytes: expected one of Live Link Face, .*\.$"):
        weights_of_packet(cut)


@given(st.binary(max_size=400))
def test_other_bytes_are_weights_or_one_error(content):
    try:
        found = weights_of_packet(content)
    except InputError:
        return
    assert found == {} or tuple(found) == NAMES


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "nothing"),
        (b"\x05" + packet(RAMP)[1:], "version 5"),
        (b"/VMC/Ext/OK\0,i\0\0\0\0\0\x01", "version 47"),
        (packet(RAMP)[:30], "one that ends before its values"),
        (b"\x06\xff\xff\xff\xff" + packet(RAMP), "one that ends before its values"),
        (packet(RAMP[:52], count=52), "52 values"),
        (packet(RAMP[:60]), "240 bytes of values"),
        (packet(RAMP) + b"\0", "245 bytes of values"),
        *((packet([*RAMP[:17], bad, *RAMP[18:]]), "values that are not finite") for bad in (math.nan, math.inf)),
        (packet([*RAMP[:60], -math.inf]), "values that are not finite"),
    ],
)
def test_what_is_amiss_is_said(content, got):
    with pytest.raises(InputError, match=f", got {got}; use the app's mode ARKit, "):
        weights_of_packet(content)


def test_weights_by_name_are_found_by_name():
    assert weights_of_packet(packet_of({"jawOpen": 0.5})) == {name: 0.5 * (name == "jawOpen") for name in NAMES}

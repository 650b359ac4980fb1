import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from splatrig.export.glb import Glb, read_glb
from splatrig.io.errors import InputError


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 40),
    width=st.sampled_from([1, 2, 3, 4]),
    dtype=st.sampled_from(["u1", "u2", "u4", "f4"]),
    data=st.data(),
)
def test_arrays_come_back_bit_by_bit(tmp_path_factory, rows, width, dtype, data):
    shape = (rows,) if width == 1 else (rows, width)
    elements = {"min_value": -9, "max_value": 9} if dtype == "f4" else None
    array = data.draw(arrays(np.dtype(dtype), shape, elements=elements))
    other = data.draw(arrays(np.dtype("f4"), (rows, 3), elements={"min_value": -5, "max_value": 5}))
    path = tmp_path_factory.mktemp("glb") / "a.glb"
    glb = Glb()
    first, second, third = glb.add(array), glb.add_sparse(other), glb.add(array, bounds=True)
    glb.write(path)
    opened = read_glb(path)
    for accessor, expected in ((first, array), (second, other), (third, array)):
        np.testing.assert_array_equal(opened.array(accessor), expected)
    assert opened.document["accessors"][third]["max"] == array.reshape(rows, -1).max(axis=0).tolist()
    assert all(view["byteOffset"] % 4 == 0 for view in opened.document["bufferViews"])


@pytest.mark.parametrize("moving", [0, 1, 30])
def test_sparse_arrays_take_room_for_what_is_not_zero(tmp_path, moving):
    array = np.zeros((1000, 3), np.float32)
    array[100 : 100 + moving] = 1.5
    glb = Glb()
    accessor = glb.add_sparse(array)
    glb.write(tmp_path / "a.glb")
    assert sum(map(len, glb.parts)) <= 14 * moving + 4
    np.testing.assert_array_equal(read_glb(tmp_path / "a.glb").array(accessor), array)


def test_what_is_no_glb_is_said_in_one_sentence(tmp_path):
    path = tmp_path / "a.glb"
    with pytest.raises(InputError, match=r"a\.glb: cannot be read as binary glTF \(No such file"):
        read_glb(path)
    path.write_bytes(b"glTF")
    with pytest.raises(InputError, match=r"a\.glb: expected a binary glTF"):
        read_glb(path)
    glb = Glb()
    glb.add(np.zeros((9, 3), np.float32))
    glb.write(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"^[^ ]*a\.glb: expected 108 bytes of arrays, got 100; copy it again\.$"):
        read_glb(path)

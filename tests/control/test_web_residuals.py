import numpy as np
import pytest
from numpy.typing import NDArray

from splatrig.control.web.residuals import ALONE, Parents, encode_rows, sparse_arrays, wrapped
from support import heads

HEAD = heads.subdivided_head()
PARENTS = Parents.of(HEAD.template, len(HEAD.base))
COARSE, FINE = (len(level.vertices) for level in HEAD.template.levels.values())


def read(
    arrays: dict[str, NDArray], name: str, sets: int, width: int, bits: int, parents: NDArray
) -> NDArray[np.int64]:
    """Read the arrays of bytes number by number, as their descriptions say."""
    count, at = len(parents), 0
    values = np.zeros((sets, count, width), np.int64)
    whole = len(arrays[f"{name}_kept"]) // sets
    for number in range(sets):
        mask = arrays[f"{name}_kept"][number * whole : (number + 1) * whole]
        rows = [row for row in range(count) if mask[row // 8] >> (row % 8) & 1]
        for row in range(count):
            a, b = parents[row]
            if a != ALONE:
                values[number, row] = (values[number, a] + values[number, b]) // 2
            if row in rows:
                for column in range(width):
                    place = at + column * len(rows) + rows.index(row)
                    word = int(arrays[f"{name}_low"][place])
                    if bits == 16:
                        word += 256 * int(arrays[f"{name}_high"][place])
                        word = -(word + 1) // 2 if word % 2 else word // 2
                    values[number, row, column] += word
            modulo = 2**bits
            values[number, row] = (values[number, row] + modulo // 2) % modulo - modulo // 2
        at += width * len(rows)
    assert at == len(arrays[f"{name}_low"])
    return values


def test_a_vertex_between_two_has_these_as_parents_and_others_have_none():
    vertices = HEAD.template.finest_level.vertices
    assert (PARENTS.rows[:COARSE] == ALONE).all()
    assert (PARENTS.rows[FINE:] == ALONE).all()
    between = vertices[PARENTS.rows[COARSE:FINE]].mean(axis=1)
    np.testing.assert_allclose(between, vertices[COARSE:FINE], atol=1e-9)


@pytest.mark.parametrize("bits", [8, 16])
def test_what_is_written_is_read_again(bits):
    generator, most = np.random.default_rng(bits), (1 << (bits - 1)) - 1
    scale = generator.choice([1, most // 20, most], size=(3, len(PARENTS), 1))
    values = (scale * generator.uniform(-1, 1, (3, len(PARENTS), 4))).round().astype(np.int32)
    effect = generator.uniform(0.0, 0.5, len(PARENTS))
    pairs = [encode_rows(rows, PARENTS, bits, effect, 1.0) for rows in values]
    arrays = sparse_arrays("moved", [differences for differences, _ in pairs], bits)
    assert all(array.dtype == np.uint8 for array in arrays.values())
    assert len(arrays) == (3 if bits == 16 else 2)
    again = read(arrays, "moved", 3, 4, bits, PARENTS.rows)
    assert np.array_equal(again, [found for _, found in pairs])


def test_kept_rows_are_exact_and_dropped_rows_have_less_effect_than_the_least():
    generator = np.random.default_rng(1)
    values = generator.integers(-9, 10, (len(PARENTS), 3)).astype(np.int32)
    effect = generator.uniform(0.0, 0.3, len(PARENTS))
    differences, found = encode_rows(values, PARENTS, 8, effect, 1.0)
    kept = differences.any(axis=1)
    assert 0.1 < kept.mean() < 0.9
    assert np.array_equal(found[kept], values[kept])
    assert (np.linalg.norm(values - found, axis=1) * effect < 1.0).all()
    assert (found[~kept & (PARENTS.rows[:, 0] == ALONE)] == 0).all()


def test_what_is_carried_up_from_the_coarse_mesh_costs_nothing_there():
    coarse = np.random.default_rng(2).normal(scale=400.0, size=(COARSE, 3))
    carried = np.zeros((len(PARENTS), 3), np.int32)
    carried[:FINE] = np.round(HEAD.template.up @ coarse)
    differences, found = encode_rows(carried, PARENTS, 16, np.full(len(PARENTS), 0.5), 1.0)
    assert differences[:COARSE].any(axis=1).all()
    assert not differences[COARSE:].any()
    assert np.abs(found - carried).max() <= 1


def test_nothing_that_moves_is_nothing_to_store():
    differences, found = encode_rows(np.zeros((len(PARENTS), 3), np.int32), PARENTS, 8, np.ones(len(PARENTS)), 1.0)
    arrays = sparse_arrays("still", [differences], 8)
    assert not found.any()
    assert not arrays["still_kept"].any()
    assert len(arrays["still_low"]) == 0


@pytest.mark.parametrize(("value", "expected"), [(127, 127), (128, -128), (-129, 127), (256, 0), (-254, 2)])
def test_numbers_wrap_as_bytes_do(value, expected):
    assert wrapped(np.array([value], np.int32), 8)[0] == expected

"""Rows of integers, one per Gaussian, stored as differences from their predictions, which are mostly zero.

The prediction of a vertex that subdivision adds is the mean of the two ends of its edge; that of vertices of the
tracked mesh and of free Gaussians is 0. All arithmetic is on integers modulo the range of their type, so that
`workflow/web/src/unpack.js` reconstructs the same values bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.mesh.template import Template

ALONE = -1
"""Marks a row without parents, in the place of both."""


@dataclass(frozen=True)
class Parents:
    """The two earlier rows whose mean is the prediction of each row."""

    rows: NDArray[np.int32]  # [N, 2], `ALONE` twice where the prediction is 0

    @classmethod
    def of(cls, template: Template, count: int) -> "Parents":
        """Return the parents of `count` Gaussians, of which the first ones are the template's vertices."""
        rows = np.full((count, 2), ALONE, np.int32)
        for level in list(template.levels.values())[1:]:
            step = csr_array(level.step)
            added = np.flatnonzero(np.diff(step.indptr) == 2)
            rows[added] = step.indices[step.indptr[added][:, None] + np.arange(2)]
        return cls(rows)

    def __len__(self) -> int:
        """Return the number of rows N."""
        return len(self.rows)

    @cached_property
    def generations(self) -> tuple[NDArray[np.int64], ...]:
        """Return the rows without parents, then those whose parents are among these, and so on."""
        alone = self.rows[:, 0] == ALONE
        generation = np.zeros(len(self), np.int64)
        while True:
            after = np.where(alone, 0, generation[self.rows].max(axis=1) + 1)
            if np.array_equal(after, generation):
                return tuple(np.flatnonzero(after == number) for number in range(after.max(initial=0) + 1))
            generation = after

    def expected(self, values: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.int32]:  # [S, c]
        """Return the predictions of `rows` [S] of `values` [N, c]; means are rounded down."""
        pair = self.rows[rows]
        return np.where(pair[:, :1] == ALONE, 0, (values[pair[:, 0]] + values[pair[:, 1]]) >> 1)


def wrapped(values: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Return the signed integers of `bits` bits that equal `values` modulo 2 to the power of `bits`."""
    half = 1 << (bits - 1)
    return ((values + half) & (2 * half - 1)) - half


def encode_rows(
    values: NDArray[np.int32],  # [N, c] of `bits` bits
    parents: Parents,
    bits: int,
    effect: NDArray[np.floating],  # [N] effect of a step of each row
    least: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the differences of rows from their predictions [N, c], and the values that a reader reconstructs [N, c].

    Rows are dropped, so that readers use the prediction, if the length of their difference has less effect than
    `least`.
    """
    differences, found = np.zeros_like(values), np.zeros_like(values)
    for rows in parents.generations:
        expected = parents.expected(found, rows)
        difference = values[rows] - expected
        kept = (np.linalg.norm(difference, axis=1) * effect[rows] >= least)[:, None]
        differences[rows] = np.where(kept, wrapped(difference, bits), 0)
        found[rows] = np.where(kept, values[rows], expected)
    return differences, found


def sparse_arrays(
    name: str,
    differences: Sequence[NDArray[np.signedinteger]],  # K of [N, c]
    bits: int,
) -> dict[str, NDArray[np.uint8]]:
    """Return the arrays of bytes for K times N rows of c differences, by name.

    `{name}_kept` has a bit per row, lowest first, each of the K in whole bytes: 1 where a row is not all zero.
    `{name}_low` and, for more than 8 bits, `{name}_high` have the kept rows' bytes, one column after the other for each
    of the K; differences of more than 8 bits have their sign in the lowest bit, so that most high bytes are 0.
    """
    masks = [difference.any(axis=1) for difference in differences]
    kept = [difference[mask].T.ravel() for difference, mask in zip(differences, masks, strict=True)]
    values = np.concatenate(kept).astype(np.int32)
    if bits > 8:
        values = (values << 1) ^ (values >> 31)
    arrays = {f"{name}_kept": np.concatenate([np.packbits(mask, bitorder="little") for mask in masks])}
    for part, plane in enumerate(("low", "high")[: bits // 8]):
        arrays[f"{name}_{plane}"] = ((values >> (8 * part)) & 255).astype(np.uint8)
    return arrays

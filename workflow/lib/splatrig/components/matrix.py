"""The matrix that components decompose: attributes side by side, standardized, streamed in column blocks.

Standardized means (row - MEAN) / STD with one STD per attribute: the root mean square of the centered data over frames
and Gaussians. The standard deviation of raw coordinates would measure the size of the head instead of its motion.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from splatrig.components.blocks import map_blocks, spans
from splatrig.components.component_file import NO_SOLVER, Components, Limits, Origin, Solver
from splatrig.components.fields import ATTRIBUTES, Columns
from splatrig.config.choices import Rest
from splatrig.io.errors import InputError

BLOCK_WIDTH = 12288
"""Columns per block: a multiple of 3 and 4, so that no Gaussian is cut; 330 frames of a block are 16 MB."""

GAUSSIANS_AT_ONCE = 2048
"""Gaussians per read, whatever the size of the blocks they are cut into, because short reads are slow."""


class Block(NamedTuple):
    """Consecutive columns of one attribute."""

    attribute: int
    """Index into the names of the matrix."""
    local: slice
    """Columns within the attribute."""
    columns: slice
    """Columns within the matrix."""


@dataclass(frozen=True)
class AttributeMatrix:
    """Raw rows (F, D) of several attributes side by side, on disk or in memory."""

    names: tuple[str, ...]
    """Attribute names, in column order."""
    sources: tuple[h5py.Dataset | NDArray[np.float32], ...]
    """One array or dataset (F_all, N·d) per attribute."""
    rows: NDArray[np.int64]  # [F]
    """Indices of the rows that are used, increasing."""
    neutral: int
    """Index into `rows` of the neutral frame."""
    frames: tuple[str, ...] = ()
    """Names `expression/frame` of the F rows for error messages; without them rows are called by their index."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows F and of columns D."""
        return len(self.rows), sum(source.shape[1] for source in self.sources)

    @property
    def columns(self) -> Columns:
        """Assignment of columns to attributes."""
        return Columns(self.names, self.sources[0].shape[1] // ATTRIBUTES[self.names[0]].size)

    def blocks(self) -> list[Block]:
        """Return the blocks that cover the matrix, in column order; none spans two attributes."""
        return [
            Block(number, local, slice(start + local.start, start + local.stop))
            for number, (_, start, stop) in enumerate(self.columns.spans)
            for local in spans(0, stop - start, BLOCK_WIDTH)
        ]

    def read(self, block: Block) -> NDArray[np.float32]:
        """Return the raw values [F, width] of a block, a copy; raise InputError when one is not finite."""
        source = self.sources[block.attribute]
        if isinstance(source, np.ndarray):
            raw = np.array(source[:, block.local], dtype=np.float32)
        else:
            raw = np.empty((source.shape[0], block.local.stop - block.local.start), dtype=np.float32)
            source.read_direct(raw, np.s_[:, block.local])
        if len(self.rows) != len(raw):
            raw = raw[self.rows]
        if not np.isfinite(raw).all():
            row = int(np.flatnonzero(~np.isfinite(raw).all(axis=1))[0])
            raise InputError(
                f"attribute {self.names[block.attribute]}: a value of training frame "
                f"{self.frames[row] if self.frames else row} is not finite; delete the attribute store and run again."
            )
        return raw


@dataclass(frozen=True)
class Standardization:
    """Mean, scale and offset that standardize raw rows: (row - mean) / std - offset."""

    mean: NDArray[np.float32]  # [D]
    scales: NDArray[np.float32]  # [number of attributes]
    """Standard deviation of each attribute's centered data; 1 for an attribute that never changes."""
    offset: NDArray[np.float32] | None  # [D]
    columns: Columns

    @property
    def std(self) -> NDArray[np.float32]:  # [D]
        """Standard deviation per column: `scales`, repeated over the columns of their attributes."""
        return np.repeat(self.scales, [stop - start for _, start, stop in self.columns.spans])


@dataclass(frozen=True)
class Decomposition:
    """Result of every decomposition method: F standardized rows, minus the rest shape, are ≈ W @ C."""

    family: str
    """Prefix of the data sets in the component file: pca, mbspca or sldc."""
    W: NDArray[np.float32]  # [F, K]
    """Scores (weights) of the rows."""
    C: NDArray[np.float32]  # [K, D]
    """Components in standardized units."""
    standardization: Standardization
    limits: Limits | None = None
    """Bounds that the method puts on its weights."""
    explained_variance: NDArray[np.float64] | None = None  # [K]
    """Variance of each score about the rest shape, sum of squares / (F - 1)."""
    total_variance: float | None = None
    """Total variance of the rows."""
    centers: NDArray[np.int64] | None = None  # [K]
    """Vertex around which each component stays."""
    partners: NDArray[np.int64] | None = None  # [K]
    """Index of each component's mirror image, -1 for none."""
    distance_unit_mm: float | None = None
    """Millimeters per unit of the support map's distances."""
    solver: Solver = NO_SOLVER

    def components(
        self,
        *,
        faces: NDArray[np.int64],  # [T, 3]
        face_mask: NDArray[np.bool_],  # [N]
        frames: Sequence[str],
        origin: Origin | None = None,
    ) -> Components:
        """Return the decomposition as `Components`, the content of a component file."""
        own = self.standardization
        found = {name: value for name, value in vars(self).items() if name not in ("standardization", "total_variance")}
        if self.explained_variance is not None and self.total_variance is not None:
            found["explained_variance_ratio"] = self.explained_variance / self.total_variance
        return Components(
            **found,
            mean=own.mean,
            std=own.std,
            offset=own.offset,
            columns=own.columns,
            faces=faces,
            face_mask=face_mask,
            frames=tuple(frames),
            origin=replace(origin or Origin(), rest="mean" if own.offset is None else "neutral"),
        )


def centered(
    matrix: AttributeMatrix, block: Block, mean: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # [width], [F, width]
    """Return the column means of a block (in float64, or the known `mean` [D]) and its rows minus these means."""
    raw = matrix.read(block)
    taken = raw.mean(axis=0, dtype=np.float64).astype(np.float32) if mean is None else mean[block.columns]
    return taken, np.subtract(raw, taken, out=raw)


def sum_of_squares(rows: NDArray[np.float32]) -> float:  # [F, width]
    """Return the sum of squares of all values: float32 down each column of a few hundred, float64 across columns."""
    return float(np.einsum("ij,ij->j", rows, rows).sum(dtype=np.float64))


def scale_of(sum_of_squares: float, count: int, magnitude: float) -> np.float32:
    """Return the standard deviation of `count` centered values; 1 when they are equal but for float32 rounding.

    `magnitude` is the largest mean, whose rounding error is all that varies in a constant attribute.
    """
    deviation = float(np.sqrt(sum_of_squares / count))
    return np.float32(deviation if deviation > np.finfo(np.float32).eps * max(magnitude, 1e-30) else 1.0)


def standardize(matrix: AttributeMatrix, rest: Rest, threads: int = 1) -> Standardization:
    """Compute MEAN, STD and, with `rest` neutral, the offset of a matrix in one pass."""
    mean = np.empty(matrix.shape[1], dtype=np.float32)
    neutral = np.empty_like(mean)
    squares = np.zeros(len(matrix.names))

    def measure(block: Block) -> tuple[Block, NDArray[np.float32], NDArray[np.float32], float]:
        means, rows = centered(matrix, block)
        return block, means, rows[matrix.neutral], sum_of_squares(rows)

    for block, means, row, square in map_blocks(measure, matrix.blocks(), threads):
        mean[block.columns], neutral[block.columns] = means, row
        squares[block.attribute] += square
    return finish_standardization(matrix, mean, neutral if rest == "neutral" else None, squares)


def finish_standardization(
    matrix: AttributeMatrix,
    mean: NDArray[np.float32],  # [D]
    neutral: NDArray[np.float32] | None,  # [D] centered neutral row; None for rest = mean
    squares: NDArray[np.float64],  # [number of attributes] sums of squares of the centered values
) -> Standardization:
    """Return the standardization from sums over all blocks."""
    scales = np.array(
        [
            scale_of(square, len(matrix.rows) * (stop - start), float(np.abs(mean[start:stop]).max(initial=0.0)))
            for square, (_, start, stop) in zip(squares, matrix.columns.spans, strict=True)
        ],
        dtype=np.float32,
    )
    standardization = Standardization(mean, scales, None, matrix.columns)
    return standardization if neutral is None else replace(standardization, offset=neutral / standardization.std)


@dataclass(frozen=True)
class StandardizedRows:
    """The standardized rows of a matrix, as a stream (`dataMat`) or as a whole."""

    matrix: AttributeMatrix
    standardization: Standardization

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows F and of columns D."""
        return self.matrix.shape

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Iterate over (columns, standardized rows [F, width])."""
        for block in self.matrix.blocks():
            _, rows = centered(self.matrix, block, self.standardization.mean)
            yield block.columns, rows / self.standardization.scales[block.attribute]

    def gaussian_blocks(self, size: int, threads: int = 1, count: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Iterate over blocks [F, d, B] of `size` Gaussians with all d values of each, minus the rest shape.

        The values are in the order of `columns`; the last block is smaller. `count` keeps only the first Gaussians:
        those of a coarser level.
        """
        total = self.matrix.columns.count
        several = size * max(1, GAUSSIANS_AT_ONCE // size)
        parts = spans(0, count or total, several)
        return chain.from_iterable(map_blocks(lambda span: self._gaussians(span, size), parts, threads))

    def _gaussians(self, span: slice, size: int) -> list[NDArray[np.float32]]:
        """Return the Gaussians of `span`, standardized, minus the rest shape, in blocks [F, d, B] of `size`."""
        offset = self.standardization.offset
        attributes = []
        for number, (name, start, _) in enumerate(self.matrix.columns.spans):
            width = ATTRIBUTES[name].size
            local = slice(span.start * width, span.stop * width)
            block = Block(number, local, slice(start + local.start, start + local.stop))
            _, rows = centered(self.matrix, block, self.standardization.mean)
            rows /= self.standardization.scales[number]
            if offset is not None:
                rows -= offset[block.columns]
            attributes.append(rows.reshape(len(rows), -1, width).swapaxes(1, 2))
        parts = spans(0, span.stop - span.start, size)
        return [
            np.ascontiguousarray(np.concatenate([rows[:, :, part] for rows in attributes], axis=1)) for part in parts
        ]

    def less_rest(self) -> NDArray[np.float32]:
        """Return all rows [F, D], standardized and minus the rest shape: the matrix that is decomposed."""
        result = np.empty(self.shape, dtype=np.float32)
        for columns, rows in self.blocks():
            result[:, columns] = rows
        if self.standardization.offset is not None:
            result -= self.standardization.offset
        return result


def equal_frames(method: str, frames: int) -> InputError:
    """Return the error of a method that requires different frames, when all training frames are equal."""
    return InputError(
        f"{method}: expected training frames that differ, got {frames} equal ones; check the capture and "
        "its tracking, or leave the attribute out of components.attributes."
    )


def in_memory(
    arrays: dict[str, NDArray[np.float32]], neutral: int = 0, rows: Sequence[int] | None = None
) -> AttributeMatrix:
    """Return the matrix over `arrays` (attribute name to [F, N·d]) that are already in memory."""
    count = len(next(iter(arrays.values())))
    chosen = np.arange(count) if rows is None else np.asarray(rows, dtype=np.int64)
    return AttributeMatrix(tuple(arrays), tuple(arrays.values()), chosen, neutral)

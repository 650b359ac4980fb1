"""Score of the difference between a photograph and the empty stage, relative to noise, and the coverage it implies.

The kernels are cached on disk, which notices changes of this file alone: their constants live here.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from splatrig.capture.cells import pixels_of_cells, reduced
from splatrig.jobs.kernels import cached_njit

SURE = 3.0
"""Score above which a pixel counts as foreground in the visual hull; fewer than 1 in 100,000 noise pixels exceed it."""
_FAINTEST = 1.8
"""Score at which coverage begins."""
_FULL = 0.6
"""Fraction of the largest nearby score at which a pixel counts as covered: some parts of a head differ less."""
_REACH = 2
"""Radius in pixels of the search for the largest nearby score: the width of a soft border."""
_SPECK = 64
"""A cell is foreground if at least one in this many of its pixels is."""
_STEPS = 16.0
"""Number of steps per unit of a score that is stored in 16-bit integers."""

_SAMPLES = 40_000
"""Approximate number of background pixels from which noise and brightness are estimated."""
_LEAST_SAMPLES = 200
_DARK = 24
"""Gray level of the plate below which pixels say little about brightness."""
_BINS = 8
"""Number of brightness ranges whose noise is estimated separately: noise grows with light, and gamma changes it."""
_ROUNDS = 3
"""Rounds of estimating noise and rejecting outliers beyond `_OUTLIER` times the noise: clothes, people, cables."""
_OUTLIER = 4.0
_STEEP = 4.0
"""Ratio of a plate's edge step to its noise from which the edge reveals a camera that has moved."""
_MOST_JITTER = 1.5
"""Largest camera motion that is allowed for, in pixels."""
_LEAST_NOISE = 1.0
"""Least noise in gray levels: quantization alone adds 0.3 to a photograph and as much to a plate."""
_MEDIAN_OF_NORMAL, _QUARTILE_OF_NORMAL = 0.6745, 1.1503
"""Median and upper quartile of the absolute value of a normal variable of variance 1."""
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_MEDIAN_OF_SCORE = 0.888
"""Median of the root mean square of three such variables."""


@dataclass(frozen=True)
class Plate:
    """The empty stage as a camera sees it."""

    rgb: NDArray[np.uint8]  # [H, W, 3]
    known: NDArray[np.bool_]  # [H, W]


@dataclass(frozen=True)
class Cells:
    """A photograph in squares of `size` pixels, the last ones of a row or column cut."""

    size: int
    covered: NDArray[np.bool_]  # [h, w]
    """Cells that the tracked mesh covers in any pixel."""
    band: NDArray[np.bool_]  # [h, w]
    """Cells of the mesh and near it, where a matte may be set."""
    half: NDArray[np.bool_]  # [h, w]
    """Cells of the band of half the width."""
    open: NDArray[np.bool_]  # [h, w]
    """Cells of the band without the inside of the mesh, whose scores do not matter."""

    @classmethod
    def of(cls, silhouette: NDArray[np.uint8], size: int, band: float) -> "Cells":
        """Return the cells of a photograph with a `silhouette` [H, W] of the mesh, a band of `band` pixels around."""
        covered = reduced(silhouette > 0, size)
        if not covered.any():
            return cls(size, covered, covered, covered, covered)
        distance = np.asarray(scipy.ndimage.distance_transform_edt(~covered) * size)
        near = distance <= band
        reach = -(-_REACH // size)
        outline = scipy.ndimage.binary_dilation(
            reduced(silhouette < 255, size), np.ones((3, 3), dtype=bool), iterations=reach
        )
        return cls(size, covered, near, distance <= band / 2, near & outline)


@dataclass(frozen=True)
class Light:
    """Noise and brightness of a photograph relative to its plate."""

    gain: float
    """Brightness of the photograph over that of the plate."""
    noise: NDArray[np.float32]  # [256, 3]
    """Standard deviation of their difference in gray levels, by channel and level of the plate."""
    jitter: float = 0.0
    """Motion of the camera in pixels: differences at edges of the plate up to this motion are noise."""
    score: float = 1.0
    """Measured score of the background's noise; 1 if the noise of neighboring pixels is independent."""

    @classmethod
    def none(cls) -> "Light":
        """Return the value for a photograph without a known plate."""
        return cls(1.0, np.ones((256, 3), dtype=np.float32))

    @property
    def level(self) -> float:
        """Mean noise in gray levels."""
        return float(self.noise.mean())


@dataclass(frozen=True)
class Difference:
    """Foreground of one photograph by difference from its plate."""

    coverage: NDArray[np.uint8]  # [H, W] zero outside of the band
    foreground: NDArray[np.bool_]  # [h, w]
    """Cells that surely differ from the plate."""
    known: NDArray[np.bool_]  # [h, w]
    """Cells whose plate is known in most pixels."""


def measure_light(photograph: NDArray[np.uint8], plate: Plate, cells: Cells) -> Light | None:  # [H, W, 3]
    """Estimate noise and brightness of a photograph from pixels that are surely background.

    Where the head leaves too little of that, the outer half of the band joins it. Robust against less than half of it
    being something else. None where there is too little even so.
    """
    height, width = plate.known.shape
    step = max(1, int(np.sqrt(height * width / _SAMPLES)))
    rows, columns = np.mgrid[step // 2 : height : step, step // 2 : width : step].reshape(2, -1)
    places = rows // cells.size, columns // cells.size
    chosen = plate.known[rows, columns] & ~cells.band[places]
    if chosen.sum() < _LEAST_SAMPLES:
        chosen = plate.known[rows, columns] & ~cells.half[places]
    rows, columns = rows[chosen], columns[chosen]
    seen, stage = photograph[rows, columns].astype(np.float64), plate.rgb[rows, columns]
    dither = (np.arange(len(rows)) * _GOLDEN % 1.0 - 0.5)[:, None]  # or medians of integers jump
    kept = np.ones(len(rows), dtype=bool)
    slopes = np.empty(stage.shape)
    _slope_points(plate.rgb, rows, columns, slopes)
    gain, jitter, noise = 1.0, 0.0, np.ones((256, 3))
    for _ in range(_ROUNDS):
        if kept.sum() < _LEAST_SAMPLES:
            return None
        bright = kept[:, None] & (stage >= _DARK) & (stage < 250) & (seen < 250)
        gain = float(np.median(seen[bright] / stage[bright])) if bright.sum() >= _LEAST_SAMPLES else 1.0
        differences = np.abs(seen + dither - gain * stage)
        noise = np.stack([_noise_by_level(differences[kept, c], stage[kept, c]) for c in range(3)], axis=1)
        here = noise[stage, np.arange(3)]
        jitter = _jitter(differences, here, slopes)
        scores = np.sqrt((np.square(differences) / (np.square(here) + np.square(jitter * slopes))).mean(axis=1))
        kept = scores < _OUTLIER
    light = Light(gain, noise.astype(np.float32), jitter)
    smooth = np.empty(len(rows))
    _score_points(photograph, plate.rgb, plate.known, gain, light.noise, jitter, rows, columns, smooth)
    return replace(light, score=max(1.0, float(np.median(smooth[kept])) / _MEDIAN_OF_SCORE))


def difference(photograph: NDArray[np.uint8], plate: Plate, cells: Cells, light: Light) -> Difference:  # [H, W, 3]
    """Return the foreground and coverage of a photograph within the band around the mesh.

    A pixel's score is the root mean square, over three channels, of the difference divided by its noise and smoothed by
    a binomial of 3×3 pixels. Coverage is whole except near pixels that do not differ: there it rises from the faintest
    score to a fraction of the largest one nearby, for a pixel at a border has a color between those of stage and head.
    """
    height, width = plate.known.shape
    scores = np.zeros((height, width), dtype=np.uint16)
    counts = np.zeros((2, *cells.open.shape), dtype=np.int32)
    noise, jitter = light.noise * np.float32(light.score), light.jitter * light.score
    _score_cells(photograph, plate.rgb, plate.known, light.gain, noise, jitter, cells.open, cells.size, scores, counts)
    coverage = np.zeros((height, width), dtype=np.uint8)
    _cover(scores, cells.open, cells.size, coverage)
    pixels = pixels_of_cells(cells.size, plate.known.shape)
    return Difference(coverage, counts[0] * _SPECK >= np.maximum(pixels, _SPECK), counts[1] * 2 > pixels)


def _noise_by_level(differences: NDArray[np.float64], levels: NDArray[np.uint8]) -> NDArray[np.float64]:  # [S] -> [256]
    """Return the standard deviation by level of the plate, from medians in ranges that hold equally many samples."""
    order = np.argsort(levels, kind="stable")
    middles, deviations = [], []
    for part in np.array_split(order, _BINS):
        if len(part):
            middles.append(levels[part].mean())
            deviations.append(np.median(differences[part]) / _MEDIAN_OF_NORMAL)
    return np.maximum(np.interp(np.arange(256), middles, deviations), _LEAST_NOISE)


def _jitter(
    differences: NDArray[np.float64], noise: NDArray[np.float64], slopes: NDArray[np.float64]
) -> float:  # [S, 3] each
    """Return the camera motion in pixels that explains the differences at edges of the plate beyond noise.

    It is an upper quartile: a camera that moves along an edge shows nothing there.
    """
    steep = slopes > _STEEP * noise
    if steep.sum() < _LEAST_SAMPLES:
        return 0.0
    excess = np.square(differences[steep] / _QUARTILE_OF_NORMAL) - np.square(noise[steep])
    moved = float(np.quantile(excess / np.square(slopes[steep]), 0.75))
    return min(float(np.sqrt(max(moved, 0.0))), _MOST_JITTER)


@cached_njit(nogil=True, inline="always")
def _slope(plate, i, j, c):  # type: ignore[no-untyped-def]
    """Return the largest step from a pixel of a plate to one of the four next to it, gray levels."""
    level, largest = np.int32(plate[i, j, c]), np.int32(0)
    if i > 0:
        largest = max(largest, abs(level - plate[i - 1, j, c]))
    if j > 0:
        largest = max(largest, abs(level - plate[i, j - 1, c]))
    if i + 1 < plate.shape[0]:
        largest = max(largest, abs(level - plate[i + 1, j, c]))
    if j + 1 < plate.shape[1]:
        largest = max(largest, abs(level - plate[i, j + 1, c]))
    return largest


@cached_njit(nogil=True)
def _slope_points(plate, rows, columns, slopes):  # type: ignore[no-untyped-def]
    """Fill the slopes [S, 3] of pixels."""
    for k in range(len(rows)):
        for c in range(3):
            slopes[k, c] = _slope(plate, rows[k], columns[k], c)


@cached_njit(nogil=True)
def _score_points(photograph, plate, known, gain, noise, jitter, rows, columns, scores):  # type: ignore[no-untyped-def]
    """Fill the scores [S] of pixels."""
    height, width = known.shape
    for k in range(len(rows)):
        squares = 0.0
        for c in range(3):
            total = 0.0
            for i in range(max(rows[k] - 1, 0), min(rows[k] + 2, height)):
                for j in range(max(columns[k] - 1, 0), min(columns[k] + 2, width)):
                    if known[i, j]:
                        weight = (2 - abs(i - rows[k])) * (2 - abs(j - columns[k]))
                        level = plate[i, j, c]
                        spread = np.hypot(noise[level, c], jitter * _slope(plate, i, j, c))
                        total += weight * (photograph[i, j, c] - gain * level) / spread
            squares += total * total
        scores[k] = np.sqrt(squares / 3.0) / 6.0


@cached_njit(nogil=True)
def _score_cells(photograph, plate, known, gain, noise, jitter, cells, size, scores, counts):  # type: ignore[no-untyped-def]
    """Fill the scores [H, W] of the cells and, per cell [2, h, w], how many pixels surely differ and are known.

    Weights 1 2 1 both ways, rows first; what is not known differs by 0.
    """
    height, width = known.shape
    inverse = np.float32(1.0) / noise
    gain, jitter = np.float32(gain), np.float32(jitter)
    for h in range(cells.shape[0]):
        w = 0
        while w < cells.shape[1]:
            if not cells[h, w]:
                w += 1
                continue
            first = w
            while w < cells.shape[1] and cells[h, w]:
                w += 1
            left, right = first * size, min(w * size, width)
            top, bottom = h * size, min((h + 1) * size, height)
            smooth = np.zeros((bottom - top + 2, right - left, 3), dtype=np.float32)
            line = np.zeros((right - left + 2, 3), dtype=np.float32)
            for i in range(max(top - 1, 0), min(bottom + 1, height)):
                for j in range(max(left - 1, 0), min(right + 1, width)):
                    for c in range(3):
                        level = plate[i, j, c]
                        value = (photograph[i, j, c] - gain * level) * inverse[level, c]
                        if jitter > 0.0:
                            moved = jitter * _slope(plate, i, j, c) * inverse[level, c]
                            value /= np.sqrt(np.float32(1.0) + moved * moved)
                        line[j - left + 1, c] = value if known[i, j] else np.float32(0.0)
                for j in range(right - left):
                    for c in range(3):
                        smooth[i - top + 1, j, c] = line[j, c] + np.float32(2.0) * line[j + 1, c] + line[j + 2, c]
            for i in range(bottom - top):
                for j in range(right - left):
                    if not known[top + i, left + j]:
                        continue
                    squares = np.float32(0.0)
                    for c in range(3):
                        total = smooth[i, j, c] + np.float32(2.0) * smooth[i + 1, j, c] + smooth[i + 2, j, c]
                        squares += total * total
                    score = np.sqrt(squares * np.float32(1.0 / 108.0))
                    scores[top + i, left + j] = np.uint16(min(score * _STEPS, 65535.0))
                    counts[0, h, (left + j) // size] += score > SURE
                    counts[1, h, (left + j) // size] += 1


@cached_njit(nogil=True)
def _cover(scores, cells, size, coverage):  # type: ignore[no-untyped-def]
    """Fill the coverage [H, W] that follows from scores."""
    height, width = scores.shape
    low = _FAINTEST * _STEPS
    for h in range(cells.shape[0]):
        for w in range(cells.shape[1]):
            if not cells[h, w]:
                continue
            for i in range(h * size, min((h + 1) * size, height)):
                for j in range(w * size, min((w + 1) * size, width)):
                    if scores[i, j] <= low:
                        continue
                    largest = smallest = scores[i, j]
                    for y in range(max(i - _REACH, 0), min(i + _REACH + 1, height)):
                        for x in range(max(j - _REACH, 0), min(j + _REACH + 1, width)):
                            largest, smallest = max(largest, scores[y, x]), min(smallest, scores[y, x])
                    if smallest > low:
                        coverage[i, j] = 255
                        continue
                    high = max(_FULL * largest, SURE * _STEPS)
                    coverage[i, j] = np.uint8(min((scores[i, j] - low) / (high - low), 1.0) * 255.0 + 0.5)

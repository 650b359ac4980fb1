"""The points of the face-mesh network that are used, of 468, by region and side.

The points of eyes, brows, nose and lips lie on features of the image; those of cheeks and forehead slide along the skin
by up to a centimeter and are left out. Left is the subject's own left, +x in head space.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

NETWORK_POINTS = 468
"""Number of points that the network returns."""

_EYE = (
    *((33, 263), (7, 249), (163, 390), (144, 373), (145, 374), (153, 380), (154, 381), (155, 382)),
    *((133, 362), (173, 398), (157, 384), (158, 385), (159, 386), (160, 387), (161, 388), (246, 466)),
)
"""Points around the opening of the lids: outer corner, lower lid, inner corner, upper lid."""
_BROW = (
    *((46, 276), (53, 283), (52, 282), (65, 295), (55, 285)),
    *((70, 300), (63, 293), (105, 334), (66, 296), (107, 336)),
)
"""Points of the lower and the upper border, each from the outside to the middle."""
_NOSE = (
    *((97, 326), (98, 327), (99, 328), (64, 294), (129, 358)),
    *((48, 278), (115, 344), (220, 440), (45, 275), (44, 274)),
)
_NOSE_MIDDLE = (168, 6, 197, 195, 5, 4, 1, 19, 94, 2)
"""Points from the root of the nose over its tip to the upper lip."""
_UPPER_LIP = ((37, 267), (39, 269), (40, 270), (185, 409), (82, 312), (81, 311), (80, 310), (191, 415))
_LOWER_LIP = ((84, 314), (181, 405), (91, 321), (146, 375), (87, 317), (178, 402), (88, 318), (95, 324))
_CORNERS = ((61, 291), (78, 308))
_UPPER_MIDDLE, _LOWER_MIDDLE = (0, 13), (17, 14)
"""Points in the middle of the outer and inner border of the lips."""

_PAIRS = (*_EYE, *_BROW, *_NOSE, *_UPPER_LIP, *_LOWER_LIP, *_CORNERS)

REGIONS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "right eye": tuple(right for right, _ in _EYE),
        "left eye": tuple(left for _, left in _EYE),
        "right brow": tuple(right for right, _ in _BROW),
        "left brow": tuple(left for _, left in _BROW),
        "nose": (*_NOSE_MIDDLE, *(point for pair in _NOSE for point in pair)),
        "lips": (*_UPPER_MIDDLE, *_LOWER_MIDDLE, *(p for pair in (*_UPPER_LIP, *_LOWER_LIP, *_CORNERS) for p in pair)),
    }
)
"""Points of each region in the network's numbering."""

LIDS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"right eye": tuple(right for right, _ in _EYE), "left eye": tuple(left for _, left in _EYE)}
)
"""Points around the opening of the lids, in order."""

INNER_LIPS = (
    *(78, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    *(308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
)
"""Points around the opening of the lips: from the right corner over the upper lip to the left, and back below."""

OUTER_LIPS = (
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
)
"""Points of the outer border of the lips, each next to the point of the inner border at the same index."""

NOSE_TIP = 4
"""The foremost point of the nose."""

POINTS: tuple[int, ...] = tuple(sorted(point for points in REGIONS.values() for point in points))
"""All points that are used, L of them, in increasing order, which is the order of every array of landmarks."""

REGION_OF: Mapping[int, str] = MappingProxyType({point: name for name, points in REGIONS.items() for point in points})
"""Region of each point."""

_OTHER_SIDE = dict([*_PAIRS, *((left, right) for right, left in _PAIRS)])

MIRRORED: NDArray[np.int64] = np.array([POINTS.index(_OTHER_SIDE.get(point, point)) for point in POINTS])
"""Row of the point on the other side [L]; a point of the middle maps to itself."""


def rows_of(*regions: str) -> NDArray[np.int64]:
    """Return the rows of the points of some regions in arrays of landmarks, in increasing order."""
    wanted = {point for name in regions for point in REGIONS[name]}
    return np.array([row for row, point in enumerate(POINTS) if point in wanted])

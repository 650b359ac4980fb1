"""Eyelashes: strands on the rims of the lids, which they follow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.demo.hair import NODES
from splatrig.capture.demo.head import FineHead
from splatrig.capture.demo.strands import Strands, ribbons, unit

PER_LID = 54
LENGTH_MM = {"upper": 8.5, "lower": 4.5}
CURL = {"upper": 0.55, "lower": -0.5}
"""Upward bend of the tip, as a fraction of the lash's length."""
WIDTH_MM = 0.42
ROOT_MM = (3.0, 0.8)
"""Distance of the roots in front of the rim, which is inside the lid's edge, and towards the other lid."""


@dataclass(frozen=True)
class Lashes:
    """Roots and bends of the lashes of all four lids."""

    ends: NDArray[np.int64]  # [s, 2]
    """The two vertices of the subdivided head between which a lash is rooted."""
    shares: NDArray[np.float64]  # [s]
    """Position of the root from the first vertex (0) to the second (1)."""
    lengths_mm: NDArray[np.float64]  # [s]
    curls: NDArray[np.float64]  # [s]
    fans: NDArray[np.float64]  # [s]
    """Sideways bend of the tip, as a fraction of the lash's length."""
    rolls: NDArray[np.float64]  # [s]
    eyes: NDArray[np.float64]  # [s, 3]
    """Centers of their eyeballs, millimeters in head space: lashes point away from them, and so turn with the lids."""

    def posed(self, vertices: NDArray[np.float64]) -> Strands:  # [m, 3]
        """Return the lashes of a frame, for the vertices of the subdivided head."""
        one, other = self.ends.T
        share = self.shares[:, None]
        roots = (1.0 - share) * vertices[one] + share * vertices[other]
        forward = unit(roots - self.eyes)
        inward = -np.sign(self.curls)[:, None] * np.array([0.0, 1.0, 0.0])
        roots = roots + ROOT_MM[0] * forward + ROOT_MM[1] * inward
        up, sideways = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
        t = np.linspace(0.0, 1.0, NODES)[:, None]
        bend = t**2 * self.curls[:, None, None] * up + t * self.fans[:, None, None] * sideways
        points = roots[:, None] + self.lengths_mm[:, None, None] * (t * forward[:, None] + bend)
        count = len(roots)
        return ribbons(points, WIDTH_MM, self.rolls, np.zeros(count), np.arange(count))


def root_lashes(
    fine: FineHead,
    neutral: NDArray[np.float64],  # [m, 3]
    eyes: NDArray[np.float64],  # [2, 3]
    generator: np.random.Generator,
) -> Lashes:
    """Root lashes along the rims of both lid openings of the subdivided neutral head, around the centers `eyes`."""
    parts = []
    for loop, eye in zip(fine.lids, eyes, strict=True):
        rim = neutral[loop]
        left, right = rim[np.argmin(rim[:, 0])], rim[np.argmax(rim[:, 0])]
        ahead = np.roll(rim, -1, axis=0)
        middles = 0.5 * (rim + ahead)
        across = (middles[:, 0] - left[0]) / (right[0] - left[0])
        above = middles[:, 1] - (left[1] + across * (right[1] - left[1]))
        inside = (across > 0.1) & (across < 0.94)
        for lid, own in (("upper", inside & (above > 0.0)), ("lower", inside & (above <= 0.0))):
            rows = np.flatnonzero(own)
            lengths = np.linalg.norm(ahead[rows] - rim[rows], axis=1)
            picked = np.sort(generator.choice(rows, PER_LID, p=lengths / lengths.sum()))
            place = across[picked]
            outer = place if rim[:, 0].mean() > 0.0 else 1.0 - place
            parts.append(
                Lashes(
                    ends=np.stack([loop[picked], np.roll(loop, -1)[picked]], axis=1),
                    shares=generator.uniform(size=PER_LID),
                    lengths_mm=LENGTH_MM[lid] * (0.55 + 0.45 * outer) * generator.uniform(0.8, 1.05, PER_LID),
                    curls=CURL[lid] * generator.uniform(0.8, 1.2, PER_LID),
                    fans=1.2 * (place - 0.5) + generator.normal(0.0, 0.08, PER_LID),
                    rolls=generator.uniform(0.0, np.pi, PER_LID),
                    eyes=np.tile(eye, (PER_LID, 1)),
                )
            )
    return Lashes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})

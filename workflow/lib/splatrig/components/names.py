"""Readable names of components, from what they do: `SLDC 04 · mouth left · E010_Smile_Stretched`.

Region and side come from where a component moves the neutral head, expressions from the frames that use it most. Where
known face units (a capture's true ones or a user's shapes) are given, the most similar unit is added.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.units import Units, cosines, turns_eyes
from splatrig.mesh.marks import FaceMarks
from splatrig.mesh.mask import nose_tip
from splatrig.mesh.normals import vertex_areas
from splatrig.mesh.template import Level

REGIONS = ("forehead", "brow", "eye", "temple", "nose", "cheek", "mouth", "jaw", "chin", "neck", "back of the head")

WIDE = 0.4
"""A component whose motion is spread over more than this fraction of the surface is named whole head."""

EYES_APART, EYES_ABOVE, MOUTH_BELOW = 0.883, 0.511, 0.465
"""Eye distance, eye height and mouth depth of the demo head, on which the region bounds were set, in those bounds'
units."""

ALONE, TOGETHER = 0.5, 0.6
"""Fraction of the motion that one region, or two regions together, must hold to name a component."""

ONE_SIDED = 0.4
"""A component is left or right when the two sides differ by more than this fraction of its motion."""

SAME = 0.01
"""Units whose correlations with a component differ by less than this count as equally good."""

ALMOST = 0.8
"""A second expression is named when its use of the component is at least this fraction of the first one's."""


def face_regions(level: Level) -> NDArray[np.int64]:
    """Return the index [V] into REGIONS of every vertex of a head in head space (y up, nose toward +z).

    Bounds are in units of half the width of the face mask, from the tip of the nose. They were set on a human head of
    average proportions (pupils 0.5 above, mouth 0.45 below) and are used for names only. If the level has landmarks,
    heights are scaled so that eyes and mouth match these bounds, and the distance of the eyes defines the unit.
    """
    x, y, z = (_by_mask(level) if level.marks is None else _by_marks(level.vertices, level.marks)).T
    x = np.abs(x)
    cases = [
        ("neck", y <= -1.15),
        ("back of the head", z <= -1.35),
        ("forehead", y > 1.05),
        ("brow", y > 0.66),
        ("nose", (x <= 0.25) & (y > -0.22)),
        ("temple", (y > 0.28) & (x > 0.9)),
        ("eye", y > 0.28),
        ("cheek", y > -0.25),
        ("jaw", x > 0.6),
        ("mouth", y > -0.78),
    ]
    return np.select(
        [condition for _, condition in cases],
        [REGIONS.index(name) for name, _ in cases],
        default=REGIONS.index("chin"),
    )


def _by_mask(level: Level) -> NDArray[np.float64]:  # [V, 3]
    """Return the vertices in units of half the width of the face mask, from its middle and the tip of the nose."""
    tip = level.vertices[nose_tip(level.vertices, level.faces)]
    face = level.vertices[level.mask] if level.mask.any() else level.vertices
    low, high = face.min(axis=0), face.max(axis=0)
    unit = max(0.5 * float(high[0] - low[0]), 1e-9)
    return (level.vertices - [0.5 * (low[0] + high[0]), tip[1], tip[2]]) / unit


def _by_marks(vertices: NDArray[np.float64], marks: FaceMarks) -> NDArray[np.float64]:  # [V, 3] both
    """Return the vertices in units of a head of average proportions, from the middle and the tip of the nose."""
    eyes = 0.5 * (marks.left_eye + marks.right_eye)
    unit = max(float(np.linalg.norm(marks.left_eye - marks.right_eye)), 1e-9) / EYES_APART
    placed = (vertices - [eyes[0], *marks.nose_tip[1:]]) / unit
    above, below = eyes[1] - marks.nose_tip[1], marks.nose_tip[1] - marks.mouth[1]
    up, down = EYES_ABOVE / max(above / unit, 0.1), MOUTH_BELOW / max(below / unit, 0.1)
    placed[:, 1] *= np.where(placed[:, 1] > 0, up, down)
    return placed


def motion(components: Components) -> NDArray[np.float64]:
    """Return how much [K, N] a unit weight changes structured Gaussians: squared millimeters where positions change.

    Components without positions are measured by the sum of squares of their standardized values.
    """
    moved = components.displacements
    if moved is None:
        moved = components.on_mesh.by_gaussian()
    return (moved.astype(np.float64) ** 2).sum(axis=2)


def place_names(moved: NDArray[np.float64], level: Level) -> list[str]:
    """Return `region side` for each row of `moved` [K, V]: the regions and the side that hold most of the motion."""
    regions = face_regions(level)
    areas = vertex_areas(level.vertices, level.faces)
    marks = level.marks
    tip = level.vertices[nose_tip(level.vertices, level.faces)] if marks is None else marks.nose_tip
    side = np.sign(level.vertices[:, 0] - tip[0])  # +x is the head's own left
    return [_place(row, areas, regions, side) for row in moved]


def _place(
    moved: NDArray[np.float64], areas: NDArray[np.float64], regions: NDArray[np.int64], side: NDArray[np.float64]
) -> str:
    energy = moved * areas
    total = float(energy.sum())
    if total == 0.0:
        return "still"
    if total**2 > WIDE * float(areas.sum()) * float(energy @ moved):
        return "whole head"
    shares = np.bincount(regions, energy, minlength=len(REGIONS)) / total
    first, second = np.argsort(-shares, kind="stable")[:2]
    if shares[first] >= ALONE:
        where = REGIONS[first]
    elif shares[first] + shares[second] >= TOGETHER:
        where = f"{REGIONS[first]} and {REGIONS[second]}"
    else:
        return "whole head"
    balance = float(side @ energy) / total
    if abs(balance) < ONE_SIDED:
        return where
    return f"{where} {'left' if balance > 0 else 'right'}"


def expression_names(W: NDArray[np.float32], frames: Sequence[str]) -> list[str]:
    """Return, for each column of `W` [F, K], the expressions (at most two) whose frames use it most."""
    expressions = [frame.split("/")[0] for frame in frames]
    names = list(dict.fromkeys(expressions))
    belongs = np.array(expressions)
    use = np.array([np.abs(W[belongs == name]).max(axis=0) for name in names])
    result = []
    for column in use.T:
        order = np.argsort(-column, kind="stable")[:2]
        chosen = [names[i] for i in order if column[i] > 0 and column[i] >= ALMOST * column[order[0]]]
        result.append(", ".join(chosen) or "no expression")
    return result


def best_units(components: Components, units: Units, level: Level) -> tuple[list[str], NDArray[np.float64]]:
    """Return each component's best-matching unit and the correlation [K] with it.

    With weights it is the correlation over frames, with shapes the cosine of the displacements. Its sign is ignored for
    PCA and for learned rigs with free weights, where it is arbitrary. A component that resembles no unit gets an empty
    name and 0.

    Frames cannot always separate units: two lids may always close together, or eyes may move whenever the mouth does.
    Such units are separated by the part and side of the face that their names and the component's motion are on. Where
    no name says the part, units that rotate the eyes come last. A blendshape is compared with the unit of its name
    where there is one.
    """
    if not units.names:
        return [""] * len(components.C), np.zeros(len(components.C))
    table = _correlations(components, units)
    either_sign = components.family == "pca" or (components.is_learned and components.limits is None)
    scores = np.where(components.turns_eye[:, None], table, np.abs(table)) if either_sign else table
    best = scores.argmax(axis=1)
    for k, place in enumerate(place_names(motion(components), level)):
        if components.are_blendshapes and components.names[k] in units.names:
            best[k] = units.names.index(components.names[k])
            continue
        where = _eye_of(components.names[k]) if components.turns_eye[k] else place
        alike = np.flatnonzero(scores[k] >= scores[k, best[k]] - SAME).tolist()
        if len(alike) > 1:
            best[k] = max(_told_apart(alike, units.names, where.split()), key=lambda unit: scores[k, unit])
    values = scores[np.arange(len(best)), best].clip(min=0.0)
    return [units.names[i] if value > 0 else "" for i, value in zip(best, values, strict=True)], values


def _eye_of(name: str) -> str:
    """Return the place of a unit such as `eyeLookInLeft`: `eye left`."""
    return "eye left" if name.endswith("Left") else "eye right"


def _told_apart(alike: list[int], names: Sequence[str], place: Sequence[str]) -> list[int]:
    """Return those of the units `alike` that best match a place, such as `mouth left`; all if none matches."""
    side = place[-1] if place[-1] in ("left", "right") else ""
    preferences: tuple[Callable[[str], bool], ...] = (
        lambda name: name.startswith(tuple(place)),
        lambda name: not turns_eyes(name) or "eye" in place,
        lambda name: side in name.lower(),
    )
    for fits in preferences:
        alike = [unit for unit in alike if fits(names[unit])] or alike
    return alike


def _correlations(components: Components, units: Units) -> NDArray[np.float64]:
    """Return the correlations [K, U] of components and units."""
    if units.shapes is not None:
        if "xyz" not in components.columns:
            return np.zeros((len(components), len(units.names)))
        first = components.columns["xyz"].start
        fields = components.C[:, first : first + 3 * units.shapes.shape[1]]  # vertices of the base level come first
        left, right = fields.astype(np.float64), units.shapes.reshape(len(units.names), -1)
    else:
        assert units.weights is not None
        left = (components.W - components.W.mean(axis=0)).T.astype(np.float64)
        right = (units.weights - units.weights.mean(axis=0)).T
    return cosines(left, right)


def component_names(
    components: Components, level: Level, best: tuple[list[str], NDArray[np.float64]] | None = None
) -> tuple[str, ...]:
    """Return each component's name: family and number (from 1), place, expressions, and the unit of `best_units`.

    Blendshapes and components that rotate eyes keep their names.
    """
    if components.keeps_name.all():
        return components.names
    places = place_names(motion(components), level)
    expressions = expression_names(components.W, components.frames)
    label = components.family.upper()
    names = [
        f"{label} {number:02d} · {place} · {expression}"
        for number, (place, expression) in enumerate(zip(places, expressions, strict=True), start=1)
    ]
    if best is not None:
        matches = zip(names, *best, strict=True)
        names = [f"{name} · {unit} {value:.2f}" if unit else name for name, unit, value in matches]
    return tuple(components.names[k] if components.keeps_name[k] else name for k, name in enumerate(names))

"""The demo's people: weights of MakeHuman's identity targets and colors, found by eye."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Complexion:
    """Linear reflectances that differ between people."""

    skin: Color
    blood: Color
    lip: Color
    hair: Color
    stubble: Color
    iris: Color
    iris_inner: Color


@dataclass(frozen=True)
class HairStyle:
    """Style of a person's hair; lengths in millimeters."""

    locks: int
    """Maximum number of locks; fewer grow, since locks keep a distance from each other."""
    strands: int
    """Mean number of strands of a lock."""
    long_mm: float
    """Length of hair on the top of the head."""
    short_mm: float
    """Length of hair at the sides and the nape."""
    lift: float
    """Slope at which hair leaves the scalp, relative to the combed direction."""
    fall: float
    """Fraction of the downward direction that each step adds."""
    disorder: float
    """Standard deviation of a lock's first direction, of length 1."""
    unevenness: float
    """Spread of the lengths of hair, 0 to 1."""
    clumping: float
    """Amount by which tips lean towards the middle of their lock, 0 to 1."""
    fuzz_mm: float
    """Standard deviation of the positions of the tips."""
    width_mm: float
    """Width of a ribbon at its root."""
    curl_mm: float = 0.0
    """Radius of curls; 0: straight."""
    curl_turns: float = 0.0


@dataclass(frozen=True)
class Person:
    """One of the demo's people."""

    targets: Mapping[str, float]
    """Weight by target, in the order in which the head file holds them."""
    proportions: tuple[float, float, float]
    """Factors of width, height and depth, after the targets."""
    complexion: Complexion
    hair: HairStyle


def _targets(caucasian: float, african: float, asian: float, asymmetry: Mapping[str, float]) -> Mapping[str, float]:
    kinds = {"caucasian": caucasian, "african": african, "asian": asian}
    weights = {f"macrodetails/{kind}-male-young": weight for kind, weight in kinds.items()}
    return MappingProxyType(weights | {f"asym/asym-{name}": weight for name, weight in asymmetry.items()})


FIRST = Person(
    targets=_targets(
        *(0.5, 0.25, 0.25),
        {
            **{"brown-1-l": 0.35, "cheek-1-r": 0.4, "eye-3-l": 0.25, "jaw-1-r": 0.3},
            **{"mouth-1-l": 0.25, "nose-1-r": 0.3, "ear-1-l": 0.4},
        },
    ),
    proportions=(1.0, 1.0, 1.0),
    complexion=Complexion(
        skin=(0.49, 0.275, 0.18),
        blood=(0.42, 0.16, 0.12),
        lip=(0.38, 0.15, 0.13),
        hair=(0.022, 0.014, 0.010),
        stubble=(0.12, 0.10, 0.095),
        iris=(0.105, 0.105, 0.06),
        iris_inner=(0.17, 0.085, 0.03),
    ),
    hair=HairStyle(
        locks=700,
        strands=8,
        long_mm=34.0,
        short_mm=15.0,
        lift=0.9,
        fall=0.10,
        disorder=0.28,
        unevenness=0.35,
        clumping=0.35,
        fuzz_mm=1.6,
        width_mm=1.1,
    ),
)
"""The demo head, whose topology all others have."""

SECOND = Person(
    targets=_targets(
        *(0.05, 0.85, 0.1),
        {
            **{"brown-1-l": -0.2, "cheek-1-r": -0.4, "eye-3-l": 0.0, "jaw-1-r": -0.5},
            **{"mouth-1-l": -0.3, "nose-1-r": -0.4, "ear-1-l": 0.0},
        },
    ),
    proportions=(0.95, 1.06, 1.02),
    complexion=Complexion(
        skin=(0.20, 0.095, 0.055),
        blood=(0.19, 0.065, 0.045),
        lip=(0.20, 0.075, 0.065),
        hair=(0.012, 0.009, 0.008),
        stubble=(0.05, 0.042, 0.04),
        iris=(0.05, 0.03, 0.018),
        iris_inner=(0.075, 0.04, 0.02),
    ),
    hair=HairStyle(
        locks=700,
        strands=8,
        long_mm=24.0,
        short_mm=17.0,
        lift=2.2,
        fall=0.0,
        disorder=0.6,
        unevenness=0.3,
        clumping=0.1,
        fuzz_mm=1.5,
        width_mm=1.2,
        curl_mm=3.0,
        curl_turns=1.6,
    ),
)
"""Another head of the same topology and face units, longer and narrower: one to play tracks of the first on."""

PEOPLE: Mapping[str, Person] = MappingProxyType({"first": FIRST, "second": SECOND})

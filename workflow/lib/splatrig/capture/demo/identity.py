"""Who the demo's people are: weights of MakeHuman's identity targets and colours, found by eye."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Complexion:
    """Linear reflectances of what differs between people."""

    skin: Color
    blood: Color
    lip: Color
    hair: Color
    stubble: Color
    iris: Color
    iris_inner: Color


@dataclass(frozen=True)
class Person:
    """One of the demo's people."""

    targets: Mapping[str, float]
    """Weight by target, in the order in which the head file holds them."""
    proportions: tuple[float, float, float]
    """Factors of width, height and depth, after the targets."""
    complexion: Complexion


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
)
"""Another head of the same topology and face units, longer and narrower: one to play tracks of the first on."""

PEOPLE: Mapping[str, Person] = MappingProxyType({"first": FIRST, "second": SECOND})

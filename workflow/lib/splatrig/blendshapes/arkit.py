"""Names of ARKit's 52 blendshapes, in ARKit's order, and how animators group them.

Source: Apple, ARFaceAnchor.BlendShapeLocation. Left is the subject's own left, +x in head space.
"""

import re
from types import MappingProxyType

_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
_SIDES = ("Left", "Right")


def _both(*stems: str) -> tuple[str, ...]:
    return tuple(f"{stem}{side}" for stem in stems for side in _SIDES)


NAMES = (
    *(f"{stem}{side}" for side in _SIDES for stem in _EYE),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *_both("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *_both("mouthPress", "mouthLowerDown", "mouthUpperUp", "browDown"),
    *("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""The 52 names in ARKit's order."""

GROUPS = MappingProxyType(
    {
        "brows": tuple(name for name in NAMES if name.startswith("brow")),
        "eyes": tuple(name for name in NAMES if name.startswith("eye")),
        "cheeks": tuple(name for name in NAMES if name.startswith(("cheek", "nose"))),
        "mouth": tuple(name for name in NAMES if name.startswith(("mouth", "tongue"))),
        "jaw": tuple(name for name in NAMES if name.startswith("jaw")),
    }
)
"""Names by the part of the face; every name is in one group. The nose is grouped with the cheeks, the tongue with the
mouth."""


def mirrored(name: str) -> str:
    """Return the name of a blendshape's mirror image, which is itself if the name has no side."""
    for own, other in (_SIDES, _SIDES[::-1]):
        if name.endswith(own):
            return name.removesuffix(own) + other
    return name


def blendshape_called(name: str) -> str | None:
    """Return the blendshape that another program's name means, or None if it means none of them.

    Case, white space and punctuation are ignored, and the side may be one letter: `EyeBlinkLeft`, `eyeBlink_L`.
    """
    return _SPELLINGS.get(re.sub(r"[\W_]", "", name).lower())


_SPELLINGS = {
    spelling.lower(): name
    for name in NAMES
    for spelling in (name, re.sub(r"(?<=.)(Left|Right)$", lambda side: side[0][0], name))
}

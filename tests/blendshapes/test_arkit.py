import re

import pytest

from splatrig.blendshapes.arkit import GROUPS, NAMES, blendshape_called, mirrored


def test_there_are_52_names_and_each_is_in_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(set(NAMES)) == len(NAMES) == 52
    assert sorted(grouped) == sorted(NAMES)


def test_mirroring_is_an_involution_among_the_names() -> None:
    assert {mirrored(name) for name in NAMES} == set(NAMES)
    assert all(mirrored(mirrored(name)) == name for name in NAMES)
    assert mirrored("mouthLeft") == "mouthRight"
    assert mirrored("jawOpen") == "jawOpen"


@pytest.mark.parametrize("name", NAMES)
def test_a_blendshape_is_known_in_many_spellings(name: str) -> None:
    short = name.replace("Left", "_L").replace("Right", "_R") if name.endswith(("Left", "Right")) else name
    words = re.sub(r"(?=[A-Z])", " ", name)
    for spelling in (name, name[0].upper() + name[1:], name.upper(), short, words, words.replace(" ", "_").lower()):
        assert blendshape_called(spelling) == name, spelling


@pytest.mark.parametrize("name", ["", "_neutral", "jaw", "HeadYaw", "mouthSmile", "Left", "L", "browInnerUpLeft"])
def test_other_names_are_none_of_them(name: str) -> None:
    assert blendshape_called(name) is None

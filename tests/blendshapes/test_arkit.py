from splatrig.blendshapes.arkit import GROUPS, NAMES, mirrored


def test_there_are_52_names_and_each_is_in_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(set(NAMES)) == len(NAMES) == 52
    assert sorted(grouped) == sorted(NAMES)


def test_mirroring_is_an_involution_among_the_names() -> None:
    assert {mirrored(name) for name in NAMES} == set(NAMES)
    assert all(mirrored(mirrored(name)) == name for name in NAMES)
    assert mirrored("mouthLeft") == "mouthRight"
    assert mirrored("jawOpen") == "jawOpen"

from pathlib import Path

import pytest

from splatrig.blendshapes.arkit import NAMES
from splatrig.blendshapes.promises import promised, read_promises
from splatrig.io.errors import InputError

EXPRESSIONS = Path(__file__).resolve().parents[2] / "resources" / "expressions"


def test_the_promises_of_the_repository_are_of_segments_that_scripts_have():
    promises = read_promises(EXPRESSIONS / "blendshapes.yaml")
    scripts = "".join((EXPRESSIONS / f"multiface_v{script}.yaml").read_text(encoding="utf-8") for script in (1, 2))
    assert [segment for segment in promises if f"- {segment}\n" not in scripts] == []
    assert promises["E026_Oooo"] == ("mouthFunnel",)


def test_frames_have_the_promises_of_their_segments():
    flags = promised(["Smile/000001", "Other/000001"], {"Smile": ["mouthSmileLeft", "mouthSmileRight"]})
    assert [NAMES[k] for k in flags[0].nonzero()[0]] == ["mouthSmileLeft", "mouthSmileRight"]
    assert not flags[1].any()
    assert promised([], {}).shape == (0, 52)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Smile: [mouthSmile]", "Smile: expected ARKit's blendshapes, such as .*, got 'mouthSmile'"),
        ("Smile: jawOpen", "expected segments, each with a list of blendshapes"),
        ("[jawOpen]", "expected segments"),
        ("Smile: [", "cannot be read as YAML"),
    ],
)
def test_a_broken_file_is_one_clear_sentence(tmp_path: Path, text: str, said: str):
    path = tmp_path / "blendshapes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_promises(path)

import numpy as np
import pytest
from PIL import Image

from splatrig.io.errors import InputError
from splatrig.tracking.links import link_folder, link_photographs


@pytest.fixture
def given(tmp_path):
    """Photographs of a segment from two cameras, and what file managers leave."""
    folder = tmp_path / "given"
    for camera in ("left", "right"):
        (folder / camera).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / camera / "1.jpg")
    for stray in (".DS_Store", "Thumbs.db", "@eaDir", "__MACOSX"):
        (folder / stray).mkdir()
    return folder


def test_cameras_are_linked_and_stray_files_are_not(given, tmp_path):
    link_photographs(given, tmp_path / "images", 30.0)
    link_folder(given, tmp_path / "masks")
    for made in ("images", "masks"):
        assert sorted(path.name for path in (tmp_path / made).iterdir()) == ["left", "right"]
        assert (tmp_path / made / "left" / "1.jpg").is_file()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1.png", r"left: got 1\.jpg and 1\.png, expected one photograph"),
        ("a b.png", r"left: photograph: .* got 'a b'"),
    ],
)
def test_photographs_that_rules_cannot_name_are_refused(given, tmp_path, name, words):
    (given / "left" / name).write_bytes((given / "left" / "1.jpg").read_bytes())
    with pytest.raises(InputError, match=words):
        link_photographs(given, tmp_path / "images", 30.0)
    assert not (tmp_path / "images").exists()

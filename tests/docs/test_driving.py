"""What the page says of driving files is what there is."""

import re
from pathlib import Path

import yaml

from splatrig.blendshapes.arkit import NAMES
from splatrig.control.drive import Settings, read_driving_file

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "control.md").read_text(encoding="utf-8").split("## Driving by files")[1].split("\n## ")[0]


def test_the_page_has_every_setting() -> None:
    assert re.findall(r"^\| `(\w+)` \|", SECTION, re.M) == list(Settings.model_fields)


def test_the_settings_on_the_page_are_settings() -> None:
    shown = yaml.safe_load("\n".join(re.findall(r"^    (\w+: .*)$", SECTION, re.M)))
    assert len(Settings.model_validate(shown).model_fields_set) == 2


def test_the_file_to_try_moves_every_part_of_the_face() -> None:
    track = read_driving_file(ROOT / "resources" / "driving" / "hello.csv", Settings())
    moving = {name for name, weights in zip(track.names, track.weights.T, strict=True) if weights.any()}
    assert track.names == NAMES and track.duration_s > 3
    assert {"eyeBlinkLeft", "mouthSmileRight", "jawOpen", "browInnerUp", "eyeLookOutLeft", "noseSneerLeft"} <= moving

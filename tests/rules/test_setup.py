from pathlib import Path

import pytest

from splatrig.io.errors import InputError
from splatrig.rules.setup import set_up

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_is_set_up_before_anything_is_there():
    demo, few = set_up({"preset": "demo"}, ROOT)
    assert few is None
    assert demo.subject == "demo"
    assert demo.config.neutral in demo.expressions


def test_a_word_is_said_where_frames_are_too_few():
    raw = {"preset": "demo", "components": {"k": 500}}
    demo, few = set_up(raw, ROOT)
    assert demo.config.components.k < 500
    assert "500" in few


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"rendering": {"families": ["pca_shine"]}}, "rendering.families"),
        ({"preset": "local", "neutral": "Neutral", "capture": {"root": "a{b}"}}, "has braces"),
        ({"capture": {"source": "shine"}}, "capture.source"),
    ],
)
def test_bad_input_ends_in_a_sentence(raw, sentence):
    with pytest.raises(InputError, match=sentence):
        set_up({"preset": "demo", **raw}, ROOT)

import pytest

from splatrig.control.labels import caption_of, component_label


@pytest.mark.parametrize(
    ("name", "label", "hint"),
    [
        ("SLDC 04 · mouth left · E010_Smile_Stretched", "04 mouth left", "smile stretched"),
        ("LEARNED 03 · eye right · E003_Eyes_Closed, E001_X · eyeBlinkLeft 0.97", "03 eye right", "eyes closed"),
        ("PCA 02 · whole head · E003_Neutral_Eyes_Closed · eyeWideLeft 0.94", "02 eye wide left", "whole head"),
        ("PCA 14 · whole head · E003_Neutral_Eyes_Closed · browDownLeft 0.16", "14 neutral eyes closed", "whole head"),
        ("LEARNED 11 · whole head · E020_Lower_Eyebrows", "11 lower eyebrows", "whole head"),
        ("LEARNED 12 · still · no expression", "12 still", ""),
        ("smile", "smile", ""),
        ("lip · upper", "lip upper", ""),
        ("a · whole head · b · unit", "a whole head", ""),
    ],
)
def test_sliders_are_labeled_by_place_then_unit_then_expression(name, label, hint):
    assert component_label(name) == (label, hint)


def test_captions_of_films_join_label_and_hint():
    assert caption_of("SLDC 04 · mouth left · E010_Smile") == "04 mouth left · smile"
    assert caption_of("smile") == "smile"

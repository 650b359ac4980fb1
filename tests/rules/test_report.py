from pathlib import Path

from snakemake.io import get_flag_value

from splatrig.rules.report import reported


def test_a_caption_is_found_from_rules_of_every_folder():
    """Rules of sources named one relative to their own folder, and the report of photographs alone failed."""
    shown = get_flag_value(reported("results/anna/tracking.png", "tracking", "6 Capture", picture="tracking"), "report")
    assert Path(shown.caption).is_file()
    assert Path(shown.caption).is_absolute()


def test_results_of_a_family_are_shown_under_its_name():
    shown = get_flag_value(
        reported("renders/{family}/sheet.jpg", "contact_sheet", "3 Components", content="x"), "report"
    )
    assert shown.labels == {"family": "{family}", "content": "x"}

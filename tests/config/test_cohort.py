"""From `subjects` in one configuration to the configuration of each."""

import copy
from pathlib import Path

import pytest

from splatrig.config.cohort import check_folders_apart, load_subjects, subject_configs
from splatrig.io.errors import InputError

PRESETS = Path(__file__).resolve().parents[2] / "workflow" / "presets"
STUDY = {"preset": "local", "capture": {"root": "captures/{subject}", "cameras": ["{subject}-1"]}, "neutral": "N"}


def test_a_list_of_names_fills_the_name_in_and_leaves_the_study_as_it_was():
    raw = {**copy.deepcopy(STUDY), "subjects": ["anna", "6795937"]}
    before = copy.deepcopy(raw)
    found = subject_configs(raw)
    assert list(found) == ["anna", "6795937"]
    assert found["anna"] == {
        "preset": "local",
        "capture": {"root": "captures/anna", "cameras": ["anna-1"]},
        "neutral": "N",
        "subject": "anna",
    }
    found["anna"]["capture"]["cameras"].append("more")
    assert raw == before and found["6795937"]["capture"]["cameras"] == ["6795937-1"]


def test_what_differs_wins_key_by_key_over_what_all_share():
    found = subject_configs(
        {**STUDY, "subjects": {"ben": {"seed": 3, "capture": {"root": "old/{subject}"}}, "anna": None}}
    )
    assert list(found) == ["ben", "anna"]
    assert found["ben"]["capture"] == {"root": "old/ben", "cameras": ["ben-1"]}
    assert (found["ben"]["seed"], "seed" in found["anna"]) == (3, False)


@pytest.mark.parametrize(
    ("subjects", "sentence"),
    [
        ("anna", "subjects: got 'anna', expected a list of names, or names with the keys that differ."),
        (["anna"], r"subjects: got 1 \(anna\), expected two or more; for one, write subject: NAME instead."),
        ([], "subjects: got 0"),
        (["anna", "ben", "anna"], "subjects: anna occurs 2 times; name each of them once."),
        (["anna", 6795937], "subjects: got 6795937, expected a name; write one of digits in quotes."),
        (["anna", "a/b"], "subjects: expected a name of letters"),
        (["anna", "cohort"], "subjects: got cohort, the folder of the results of all subjects; rename"),
        ({"anna": None, "ben": 3}, "subjects.ben: got 3, expected the keys that differ, or nothing."),
        ({"anna": None, "ben": {"subject": "b"}}, "subjects.ben: unknown key 'subject'; the name is ben already."),
    ],
)
def test_subjects_that_cannot_be_told_apart_are_refused(subjects, sentence):
    with pytest.raises(InputError, match=sentence):
        subject_configs({**STUDY, "subjects": subjects})


def test_a_subject_next_to_subjects_is_refused():
    with pytest.raises(InputError, match=r"subject: got me next to subjects, which .*; leave it out\."):
        subject_configs({**STUDY, "subject": "me", "subjects": ["anna", "ben"]})


def test_two_subjects_in_one_folder_are_refused():
    check_folders_apart({"anna": "captures/anna", "ben": "captures/ben"})
    with pytest.raises(InputError, match=r"captures of anna and ben would both be written to captures/x; write"):
        check_folders_apart({"anna": "captures/x", "carl": "captures/carl", "ben": "captures/x"})


def test_a_subject_without_a_capture_is_named():
    raw = {"preset": "local", "neutral": "N", "subjects": {"anna": {"capture": {"root": "a"}}, "ben": None}}
    with pytest.raises(InputError, match=r"^subject ben: configuration, capture: the key 'root' is missing"):
        load_subjects(subject_configs(raw), PRESETS)


def test_every_subject_has_the_defaults_of_its_own_preset():
    raw = {"neutral": "N", "capture": {"root": "c/{subject}"}, "subjects": {"a": {"preset": "local"}, "b": {"seed": 4}}}
    found = load_subjects(subject_configs(raw), PRESETS)
    assert [(made.subject, made.preset, made.capture.root, made.seed) for made in found.values()] == [
        ("a", "local", "c/a", 0),
        ("b", None, "c/b", 4),
    ]

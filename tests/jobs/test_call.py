import pytest

from splatrig.jobs.call import Call, read_call


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("--cores 2 --batch show_heads=3/16 all", Call(("show_heads", 3, 16), ())),
        ("--batch=show_heads=16/16", Call(("show_heads", 16, 16), ())),
        ("--batch show_heads=17/16", Call(None, ())),
        ("--batch show_heads", Call(None, ())),
        ("--cores 2 results/anna/frames.csv -n", Call(None, ())),
        (
            "--target-jobs anna_fit:expression=E1 ben_all: --mode remote",
            Call(None, ("anna_fit:expression=E1", "ben_all:")),
        ),
    ],
)
def test_a_call_tells_its_batch_and_its_jobs(words, call):
    assert read_call(words.split()) == call


def test_a_job_belongs_to_a_subject_by_its_rule_or_its_wildcard():
    call = Call(None, ("anna_fit_expression:expression=E1", "show_subject:subject=ben", "show_heads:"))
    assert [call.only_jobs_of(name) for name in ("anna", "ben", "be", "ann", "show")] == [
        True,
        True,
        False,
        False,
        True,
    ]

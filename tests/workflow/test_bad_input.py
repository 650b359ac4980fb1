"""Bad configuration ends at parse time: one sentence, exit 1, nothing written."""

import pytest

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def fresh(copy_project, tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("fresh"))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("capture.frames_per_expresion", 3, "unknown key 'frames_per_expresion'"),
        ("components.pca.k", "three", "components.pca.k: got 'three', expected integer"),
        ("components.pca.k", 400, "components.pca.k: got 400, expected at most the number of training frames"),
        ("capture.neutral", "E099_Other", "capture.neutral: E099_Other is not among the expressions"),
        ("capture.held_out.cameras", ["999999"], "camera 999999 does not exist"),
    ],
)
def test_one_sentence_exit_1_nothing_written(fresh, key, value, sentence):
    before = sorted(path for path in fresh.directory.rglob("*") if ".snakemake" not in path.parts)
    with fresh.changed_config(key, value):
        done = fresh.snakemake()
    assert done.returncode == 1
    message = done.stdout + done.stderr
    assert sentence in message
    assert "Traceback" not in message
    after = sorted(path for path in fresh.directory.rglob("*") if ".snakemake" not in path.parts)
    assert [path for path in after if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]

"""Bad configuration ends at parse time: one sentence, exit 1, nothing written."""

import shutil

import pytest
import yaml

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def fresh(copy_project, tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("fresh"))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("capture.frames_per_expresion", 3, "unknown key 'frames_per_expresion'"),
        (
            "training.steps",
            400,
            "configuration, training: this key of an earlier version is called fitting",
        ),
        (
            "capture.root",
            "elsewhere",
            "capture.root: got elsewhere with preset: demo, whose few steps",
        ),
        (
            "preset",
            "folder",
            "configuration, preset: got 'folder', expected one of ava256, demo, goliath, local, multiface, nerf, "
            "photographs.",
        ),
        ("components.attributes", ["xyz", "rgb"], "components.attributes: got rgb, expected one of xyz, f_dc, f_rest"),
        ("control.families", ["pca_al"], "control.families: got pca_al, expected one of pca_xyz, pca_normal"),
    ],
)
def test_one_sentence_exit_1_nothing_written(fresh, key, value, sentence):
    with fresh.changed_config(key, value):
        refused(fresh, fresh.config, sentence)


@pytest.mark.parametrize(
    ("capture", "sentence"),
    [
        ("{root: resources/here}", "capture.root: resources/here has no KRT and no images and no tracked_mesh"),
        ("{root: 'resources/a{b}'}", "capture.root: resources/a{b} has braces, which are wildcards to Snakemake"),
        (
            "{root: here, source: folder}",
            "capture.source: got folder, expected one of ava256, demo, goliath, local, multiface, nerf, photographs.",
        ),
    ],
)
def test_a_capture_that_cannot_be_is_one_sentence(fresh, tmp_path, capture, sentence):
    config = tmp_path / "mine.yaml"
    config.write_text(f"preset: local\nneutral: Neutral\ncapture: {capture}\n")
    refused(fresh, config, sentence)


def refused(fresh, config, sentence):
    """Hold a run to one sentence, exit code 1, and no file written."""
    before = sorted(path for path in fresh.directory.rglob("*") if ".snakemake" not in path.parts)
    done = fresh.snakemake(config=config)
    assert done.returncode == 1
    message = done.stdout + done.stderr
    assert sentence in message
    assert "Traceback" not in message
    after = sorted(path for path in fresh.directory.rglob("*") if ".snakemake" not in path.parts)
    assert [path for path in after if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]


def _swap_a_face(path):
    lines = path.read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("f "))
    corners = lines[first].split()
    lines[first] = " ".join([corners[0], corners[2], corners[1], *corners[3:]])
    path.write_text("\n".join(lines) + "\n")


def _put_nan(path):
    words = path.read_text().split(maxsplit=1)
    path.write_text(f"nan {words[1]}")


def _truncate(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("tracked_mesh/{expression}/*.obj", _swap_a_face),
        ("tracked_mesh/{expression}/*_transform.txt", _put_nan),
        ("images/{expression}/*/*.png", _truncate),
    ],
    ids=["another topology", "NaN in a pose", "unreadable image"],
)
def test_a_damaged_file_is_named_and_no_output_is_left(finished, tmp_path, pattern, damage):
    expression = "E012_Jaw_Open_Huge_Smile"
    capture = tmp_path / "capture"
    shutil.copytree(finished.directory / "resources/captures/tiny", capture)
    damaged = sorted(capture.glob(pattern.format(expression=expression)))[-1]
    damage(damaged)
    target = finished.directory / "results/damaged/dataset" / expression
    config = tmp_path / "damaged.yaml"
    raw = yaml.safe_load(finished.config.read_text(encoding="utf-8"))
    raw |= {"preset": "local", "subject": "damaged", "neutral": "E001_Neutral_Eyes_Open"}
    raw["capture"]["root"] = str(capture)
    config.write_text(yaml.safe_dump(raw), encoding="utf-8")
    done = finished.snakemake(str(target.relative_to(finished.directory)), config=config)
    message = done.stdout + done.stderr
    assert done.returncode == 1
    assert damaged.name in message or f"{damaged.parent.name}/{damaged.name}" in message, message[-3000:]
    log = f"logs/damaged/restructure_expression/{expression}.log"
    last = message.rpartition(f"Logfile {log} ends:")[2]
    assert 0 < len(last) < 2500  # the run ends with it, and little follows
    assert damaged.name in last
    assert "Traceback (most recent call last)" not in last.split("Complete log")[0]
    assert not target.exists()
    assert not list(target.parent.glob(f".{expression}*"))

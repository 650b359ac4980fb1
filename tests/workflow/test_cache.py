"""Two working directories and one cache: what is the same is made once, what differs is never shared."""

import os
import re

import pytest
from PIL import Image

pytestmark = pytest.mark.workflow

SMILE = "E012_Jaw_Open_Huge_Smile"
FITS = [f"results/tiny/gaussians/{name}.h5" for name in (SMILE, "E042_Mouth_Nose_Left")]


@pytest.fixture(scope="module")
def second(finished, copy_project, tmp_path_factory):
    """Another working directory that shares the cache of the finished run."""
    return copy_project(tmp_path_factory.mktemp("second"), cache=finished.cache)


def run(project, *targets):
    """Run and return which jobs fitted, and which took their result from the cache, by their logs."""
    for log in project.directory.glob("logs/tiny/**/*.log"):
        log.unlink()
    done = project.snakemake(*targets)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    logs = project.directory / "logs" / "tiny"
    texts = {path.relative_to(logs).with_suffix("").as_posix(): path.read_text() for path in logs.rglob("*.log")}
    fitted = {name for name, text in texts.items() if re.search(r"\d+ steps in [\d.]+ s", text)}
    return fitted, {name for name, text in texts.items() if "taken from the cache" in text}


def test_the_second_directory_fits_nothing_and_has_the_same_files(finished, second):
    fitted, taken = run(second, *FITS)
    assert fitted == set()
    of_smile = {f"{rule}/{SMILE}" for rule in ("fit_expression", "restructure_expression", "photograph_demo")}
    assert {"fit_neutral"} | of_smile <= taken
    for target in FITS:
        assert (second.directory / target).read_bytes() == (finished.directory / target).read_bytes()
    assert "Nothing to be done" in second.snakemake("--dry-run", *FITS).stdout


def test_what_differs_is_made_anew_and_the_rest_taken(finished, second):
    with second.changed_config("fitting.frame_steps", 3):
        fitted, taken = run(second, FITS[0])
    assert (fitted, taken) == ({f"fit_expression/{SMILE}"}, set())  # all before it is still there
    assert (second.directory / FITS[0]).read_bytes() != (finished.directory / FITS[0]).read_bytes()

    with second.edited("workflow/lib/splatrig/fitting/losses.py"):
        fitted, taken = run(second, FITS[0])
    assert (fitted, taken) == ({"fit_neutral", f"fit_expression/{SMILE}"}, set())
    assert run(second, FITS[0]) == (set(), {"fit_neutral", f"fit_expression/{SMILE}"})  # back to the unedited library


def test_a_photograph_changed_by_hand_is_not_served_from_the_cache(finished, second):
    folder = second.directory / "resources/captures/tiny/images" / SMILE
    photograph = sorted(folder.glob("*/*.png"))[0]
    darker = Image.open(photograph).point(lambda value: value // 2)
    photograph.unlink()
    darker.save(photograph)
    os.utime(folder / ".snakemake_timestamp")
    fitted, taken = run(second, FITS[0])
    assert fitted == {f"fit_expression/{SMILE}"}
    assert f"restructure_expression/{SMILE}" not in taken
    assert (second.directory / FITS[0]).read_bytes() != (finished.directory / FITS[0]).read_bytes()

"""The demo capture, packed as a release and served on loopback, through the whole download."""

import shutil
from pathlib import Path

import pytest
import yaml

from support.release_server import serve, tar_of

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
ENTITY = "1234567"
FOLDER = f"m--20180227--0000--{ENTITY}--GHS"
NEUTRAL, SMILE = "E001_Neutral_Eyes_Open", "E008_Smile_Mouth_Closed"
BASE = {
    "device": "cpu",
    "capture": {
        "expressions": [NEUTRAL, SMILE],
        "frames_per_expression": 2,
        "held_out": {"cameras": "every 3rd"},
        "color": "multiface_gamma",
    },
    "neutral": NEUTRAL,
    "demo": {"cameras": 6, "image_height": 64, "samples": 1, "frames": 2},
    "mesh": {"tracked_vertices": 300},
}


def configured(project, subject, preset, **capture):
    """A configuration file of its own subject and preset."""
    path = project.directory / f"{subject}.yaml"
    raw = {**BASE, "preset": preset, "subject": subject, "capture": BASE["capture"] | capture}
    path.write_text(yaml.safe_dump(raw))
    return path


def run(project, config, *targets):
    done = project.snakemake(*targets, config=config)
    return done.returncode, done.stdout + done.stderr


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def packed(root):
    """A release with the files of a raw capture: the neutral whole, the smile one archive a camera."""

    def members(path):
        return {
            f"{FOLDER}/{file.relative_to(root).as_posix()}": file.read_bytes()
            for file in sorted((root / path).rglob("*"))
            if file.is_file() and file.name != ".snakemake_timestamp"
        }

    archives = {
        "metadata.tar": tar_of(
            {f"{FOLDER}/{n}": (root / n).read_bytes() for n in ("KRT", "frame_list.txt", "tex_mean.png")}
        )
    }
    for segment in (NEUTRAL, SMILE):
        archives[f"tracked_mesh--{segment}.tar"] = tar_of(members(f"tracked_mesh/{segment}"))
    archives[f"images--{NEUTRAL}.tar"] = tar_of(members(f"images/{NEUTRAL}"))
    for camera in sorted(path.name for path in (root / "images" / SMILE).iterdir() if path.is_dir()):
        archives[f"images--{SMILE}_cam{camera}.tar"] = tar_of(members(f"images/{SMILE}/{camera}"))
    return archives


@pytest.fixture(scope="module")
def project(tmp_path_factory, copy_project):
    """A project with the raw demo capture and with what `local` makes of it."""
    project = copy_project(tmp_path_factory.mktemp("multiface"))
    root = "resources/captures/demo"
    raw = [f"{root}/{name}" for name in ("KRT", "frame_list.txt", "tex_mean.png")]
    raw += [f"{root}/images/{segment}" for segment in (NEUTRAL, SMILE)]
    code, text = run(project, configured(project, "demo", "demo"), *raw)
    assert code == 0, text
    code, text = run(project, configured(project, "by_folder", "local", root=root), "results/by_folder/frames.csv")
    assert code == 0, text
    return project


@pytest.fixture
def release(project, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    shutil.rmtree(project.directory / "resources" / "captures" / "served", ignore_errors=True)
    shutil.rmtree(project.directory / "results" / "by_server", ignore_errors=True)
    with serve(packed(project.directory / "resources" / "captures" / "demo")) as served:
        yield served


def by_server(project, release, **capture):
    return configured(
        project,
        "by_server",
        "multiface",
        root="resources/captures/served",
        entity=ENTITY,
        url=release.url.rsplit("/", 1)[0],
        **capture,
    )


def test_the_demo_gives_the_same_through_a_folder_and_through_a_misbehaving_server(project, release):
    release.faults |= {
        f"images--{NEUTRAL}.tar": ["drop", "503"],
        f"tracked_mesh--{SMILE}.tar": ["wrong byte"],
        "CHECKSUM": ["503"],
    }
    config = by_server(project, release)
    code, text = run(project, config, "results/by_server/frames.csv")
    assert code == 0, text
    assert not any(release.faults.values())
    captures = project.directory / "resources" / "captures"
    for part in ("images", "tracked_mesh"):
        served, synthesized = files(captures / "served" / part), files(captures / "demo" / part)
        assert {n: d for n, d in served.items() if "timestamp" not in n} == {
            n: d for n, d in synthesized.items() if "timestamp" not in n
        }
    results = project.directory / "results"
    local, served = files(results / "by_folder"), files(results / "by_server")
    assert len(local) > 20
    for run_of in (local, served):
        del run_of["provenance.json"]  # says where and when
    assert set(served) == set(local)
    assert [name for name in local if served[name] != local[name]] == []

    release.requests.clear()
    code, text = run(project, config, "results/by_server/frames.csv")
    assert code == 0
    assert "Nothing to be done" in text
    shutil.rmtree(captures / "served" / "images" / SMILE)
    code, text = run(project, config, "multiface_download")
    assert code == 0, text
    assert not release.requests, "what was unpacked once is linked again, not fetched"


def test_a_second_directory_with_the_same_cache_fetches_no_archive(release, copy_project, tmp_path):
    fetched, made = [], []
    for name in ("first", "second"):
        desk = copy_project(tmp_path / name, cache=tmp_path / "cache")
        release.requests.clear()
        code, text = run(desk, by_server(desk, release), "multiface_download")
        assert code == 0, text
        fetched.append({path for method, path in release.requests if method == "GET" and "--" in path})
        made.append(files(desk.directory / "resources" / "captures" / "served" / "images"))
    assert len(fetched[0]) > 3
    assert fetched[1] == set()
    assert made[0] == made[1]


def test_a_missing_archive_fails_by_name_and_the_next_run_goes_on(project, release):
    missing = sorted(name for name in release.files if name.startswith(f"images--{SMILE}"))[-1]
    body = release.files.pop(missing)
    config = by_server(project, release)
    code, text = run(project, config, "multiface_download")
    assert code != 0
    assert f"{missing}: the server answered 404" in text
    # which segment Snakemake begins with is its choice; what arrived is known by its record
    arrived = {f"{path.stem}.tar" for path in (project.directory / "resources/captures/served/archives").glob("*.json")}
    assert arrived
    release.files[missing] = body
    release.requests.clear()
    code, text = run(project, config, "multiface_download")
    assert code == 0, text
    again = {name for _, name in release.requests}
    assert missing in again
    assert not again & arrived, "what arrived before is not fetched again"


def test_a_plan_is_printed_and_fetches_no_archive(project, release):
    for _ in range(2):
        code, text = run(project, by_server(project, release), "multiface_plan")
        assert code == 0, text
        assert f"entity {ENTITY}, 2 segments" in text
        assert "CC BY-NC 4.0" in text
        assert "GB; unpacked" in text
    assert not any(name.endswith(".tar") for method, name in release.requests if method == "GET")


def test_only_the_chosen_cameras_are_fetched_and_unpacked(project, release):
    camera = sorted(path.name for path in (project.directory / "resources/captures/demo/images" / SMILE).iterdir())[1]
    code, text = run(
        project, by_server(project, release, cameras=[camera], held_out={"cameras": []}), "multiface_download"
    )
    assert code == 0, text
    for segment in (NEUTRAL, SMILE):
        folder = project.directory / "resources/captures/served/images" / segment
        assert [path.name for path in folder.iterdir() if path.is_dir()] == [camera]
    fetched = {name for method, name in release.requests if method == "GET" and name.startswith(f"images--{SMILE}")}
    assert fetched == {f"images--{SMILE}_cam{camera}.tar"}


def test_a_segment_that_the_listing_lacks_ends_the_run_with_one_sentence(project, release):
    config = by_server(project, release)
    code, text = run(project, config, "resources/captures/served/archives/release.csv")
    assert code == 0, text
    raw = yaml.safe_load(config.read_text())
    raw["capture"]["expressions"] = [NEUTRAL, "E008_Smile"]
    config.write_text(yaml.safe_dump(raw))
    code, text = run(project, config, "-n")
    assert code == 1
    assert "error: capture.expressions: the capture has no E008_Smile; did you mean E008_Smile_Mouth_Closed" in text
    assert "Traceback" not in text


def test_a_full_capture_of_66_expressions_dry_runs(tmp_path, copy_project):
    project = copy_project(tmp_path)
    shutil.copytree(ROOT / "resources" / "multiface", tmp_path / "resources" / "multiface")
    shutil.copy(ROOT / "docs" / "examples" / "multiface.yaml", project.config)
    text, _ = project.start("--dry-run", "--cores", "2").communicate()
    pending = project.jobs_in(text)
    assert pending["download_segment"] == pending["restructure_expression"] == 66
    assert pending["download_release"] == pending["download_metadata"] == 1

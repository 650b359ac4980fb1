import hashlib
import json

import pytest

from splatrig.capture.release import plan
from splatrig.capture.retrieve import assemble, describe_plan, fetch_release, retrieve, sizes
from splatrig.io.errors import InputError
from support.release_server import (
    CAMERAS,
    FOLDER,
    PER_CAMERA,
    SEGMENTS,
    SETTINGS,
    WHOLE,
    Pauses,
    content,
    listings,
    miniature,
    serve,
    tar_of,
)

ASSETS = ("images", "tracked_mesh", "metadata")
ARCHIVES = miniature()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def release():
    with serve(ARCHIVES) as served:
        yield served


def bring(release, folder, cameras="all", settings=SETTINGS, segments=SEGMENTS, at_once=3):
    """Download and join as the rules do; return the raw layout as {path: bytes}."""
    archives = fetch_release(release.url, folder / "archives", settings, [])
    chosen = plan(archives, segments, ASSETS, cameras)
    retrieve(chosen, folder / "archives", cameras, settings, at_once=at_once, sleep=Pauses())
    for asset in ("images", "tracked_mesh"):
        for segment in segments:
            stems = [item.stem for item in chosen if (item.asset, item.segment) == (asset, segment)]
            chosen_cameras = cameras if asset == "images" else "all"
            assemble([folder / "archives" / stem for stem in stems], folder / asset / segment, chosen_cameras)
    return layout(folder)


def layout(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "archives"
    }


def expected(frames=("000102", "000105"), cameras=CAMERAS):
    paths = [f"images/{segment}/{camera}/{frame}.png" for segment in SEGMENTS for camera in cameras for frame in frames]
    kinds = (".obj", ".bin", "_transform.txt")
    meshes = [f"tracked_mesh/{segment}/{frame}{kind}" for segment in SEGMENTS for frame in frames for kind in kinds]
    return {path: content(f"{FOLDER}/{path}", 60_000) for path in paths} | {
        path: content(f"{FOLDER}/{path}", 3_000) for path in meshes
    }


def test_a_release_becomes_the_raw_layout(release, tmp_path):
    assert bring(release, tmp_path) == expected()
    assert (tmp_path / "archives" / "metadata" / "KRT").read_bytes() == content("KRT", 700)
    assert not list((tmp_path / "archives").glob("*.tar")), "archives go when they are unpacked"
    assert not list((tmp_path / "archives").glob("*.part*"))
    assert ("GET", "audio.tar") not in release.requests
    assert not any("unwrapped" in name for _, name in release.requests)


def test_a_misbehaving_server_leads_to_the_same_bytes_and_nothing_complete_comes_twice(release, tmp_path):
    images = f"images--{WHOLE}.tar"
    release.faults |= {
        images: ["drop", "503", "drop"],
        f"images--{PER_CAMERA}_cam400002.tar": ["stall", "ignore range"],
        f"images--{PER_CAMERA}_cam400013.tar": ["503", "503", "drop", "ignore range"],
        f"tracked_mesh--{WHOLE}.tar": ["wrong byte"],
        "images--E074_Blink.tar": ["truncate"],
        "metadata.tar": ["no length"],
        "CHECKSUM": ["503"],
        "index.html": ["drop"],
    }
    assert bring(release, tmp_path) == expected()
    assert not any(release.faults.values()), "the server has shown all its faults"
    assert release.sent[images] == len(ARCHIVES[images])
    clean = [name for name in ARCHIVES if release.requests["GET", name] and name not in release.faults]
    assert all(release.requests["GET", name] == 1 for name in clean)


def test_a_second_run_fetches_nothing_but_the_listings(release, tmp_path):
    before = bring(release, tmp_path)
    release.requests.clear()
    assert bring(release, tmp_path) == before
    assert set(release.requests) == {("GET", "CHECKSUM"), ("GET", "index.html")}


def test_an_interrupted_download_keeps_what_was_unpacked(release, tmp_path):
    broken = f"images--{PER_CAMERA}_cam400356.tar"
    release.faults[broken] = ["404"]
    with pytest.raises(InputError, match=rf"{broken}: the server answered 404"):
        bring(release, tmp_path, at_once=1)
    asked = [name for name in plan_names() if release.requests["GET", name]]
    assert 1 < len(asked) < len(plan_names()), "some came before the broken one, none was begun after it"
    assert bring(release, tmp_path) == expected()
    assert all(release.requests["GET", name] == 1 + (name == broken) for name in plan_names())


def plan_names():
    return [name for name in ARCHIVES if not name.startswith(("audio", "unwrapped"))]


def test_a_file_that_stays_wrong_is_named_and_nothing_of_it_is_there(release, tmp_path):
    bad = "tracked_mesh--E074_Blink.tar"
    release.faults[bad] = ["wrong byte"] * 5
    with pytest.raises(InputError, match=rf"{bad}: fetched 2 times"):
        bring(release, tmp_path)
    assert not list((tmp_path / "archives").glob(f"*{bad.removesuffix('.tar')}*"))


def test_a_listed_archive_that_is_missing_fails_by_name(release, tmp_path):
    del release.files[f"images--{WHOLE}.tar"]
    with pytest.raises(InputError, match=rf"images--{WHOLE}\.tar: the server answered 404"):
        bring(release, tmp_path)


def test_one_more_camera_costs_its_archive_and_one_fewer_nothing(release, tmp_path):
    two = ["400002", "400013"]
    assert bring(release, tmp_path, two) == expected(cameras=two)
    release.requests.clear()
    assert bring(release, tmp_path, ["400002"]) == expected(cameras=["400002"])
    assert not any(name.endswith(".tar") for _, name in release.requests)
    assert bring(release, tmp_path, "all") == expected()
    assert release.requests["GET", f"images--{PER_CAMERA}_cam400356.tar"] == 1
    assert release.requests["GET", f"images--{PER_CAMERA}_cam400002.tar"] == 0


def test_an_archive_that_was_published_anew_is_fetched_again(release, tmp_path):
    bring(release, tmp_path)
    name = "tracked_mesh--E074_Blink.tar"
    newer = tar_of({f"{FOLDER}/tracked_mesh/E074_Blink/000102.obj": b"newer"})
    archives = {**ARCHIVES, name: newer}
    release.files |= {**archives, **listings(archives, release.url)}
    release.requests.clear()
    after = bring(release, tmp_path)
    assert after["tracked_mesh/E074_Blink/000102.obj"] == b"newer"
    assert sum(release.requests["GET", name] for name in ARCHIVES) == 1


def test_archives_are_kept_when_the_config_says_so_and_serve_again(release, tmp_path):
    keep = SETTINGS.model_copy(update={"keep_archives": True})
    bring(release, tmp_path, settings=keep)
    for name in plan_names():
        assert (tmp_path / "archives" / name).read_bytes() == ARCHIVES[name]
    for record in (tmp_path / "archives").glob("*.json"):
        record.unlink()
    release.requests.clear()
    assert bring(release, tmp_path, settings=keep) == expected()
    assert not any(name.endswith(".tar") for _, name in release.requests)


def test_segments_are_links_not_copies(release, tmp_path):
    bring(release, tmp_path, segments=[PER_CAMERA])
    image = tmp_path / "images" / PER_CAMERA / "400002" / "000102.png"
    stored = tmp_path / "archives" / f"images--{PER_CAMERA}_cam400002" / "400002" / "000102.png"
    assert image.samefile(stored)


def test_where_there_are_no_links_files_are_copied(release, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    assert bring(release, tmp_path) == expected()


def test_no_more_archives_are_under_way_than_allowed(release, tmp_path):
    bring(release, tmp_path, at_once=2)
    assert release.busiest <= 2


def test_an_archive_whose_content_belies_its_name_is_refused(tmp_path):
    lie = {**ARCHIVES, f"images--{WHOLE}.tar": ARCHIVES["images--E074_Blink.tar"]}
    with serve(lie) as release, pytest.raises(InputError, match=rf"images--{WHOLE}\.tar: expected files that match"):
        bring(release, tmp_path)
    assert not (tmp_path / "archives" / f"images--{WHOLE}").exists()


def test_a_hostile_archive_on_the_server_is_refused(tmp_path):
    evil = {**ARCHIVES, "metadata.tar": tar_of({f"{FOLDER}/KRT": b"", "../evil": b"evil"})}
    with serve(evil) as release, pytest.raises(InputError, match=r"metadata\.tar, member '\.\.'"):
        bring(release, tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("evil"))


def test_an_archive_without_a_sum_is_refused_unless_allowed(release, tmp_path):
    lines = release.files["CHECKSUM"].decode().splitlines(keepends=True)
    release.files["CHECKSUM"] = "".join(line for line in lines if "metadata" not in line).encode()
    with pytest.raises(InputError, match=r"metadata\.tar: CHECKSUM has no sum for it"):
        bring(release, tmp_path)
    assert bring(release, tmp_path, settings=SETTINGS.model_copy(update={"checksums": "if_listed"})) == expected()


def test_a_server_without_checksums_is_refused_unless_allowed(release, tmp_path):
    del release.files["CHECKSUM"]
    with pytest.raises(InputError, match="CHECKSUM: the server answered 404"):
        bring(release, tmp_path)
    assert bring(release, tmp_path, settings=SETTINGS.model_copy(update={"checksums": "if_listed"})) == expected()


def test_without_an_index_the_other_lists_serve(release, tmp_path):
    del release.files["index.html"]
    from_sums = fetch_release(release.url, tmp_path, SETTINGS, [])
    from_names = fetch_release(release.url, tmp_path, SETTINGS, sorted(ARCHIVES))
    links = tmp_path / "entity.links"
    links.write_text("".join(f"{release.url}/{name}\n" for name in ARCHIVES))
    from_links = fetch_release(release.url, tmp_path, SETTINGS.model_copy(update={"links": str(links)}), [])
    assert from_sums == from_names == from_links
    assert {item.name: item.md5 for item in from_sums} == {
        name: hashlib.md5(data).hexdigest() for name, data in ARCHIVES.items()
    }


def test_a_server_of_something_else_is_refused(tmp_path):
    with serve({"cats.zip": b""}) as release, pytest.raises(InputError, match="no archive of a Multiface release"):
        fetch_release(release.url, tmp_path, SETTINGS, [])


def test_a_plan_tells_archives_bytes_place_space_and_license(release, tmp_path):
    folder = tmp_path / "archives"
    archives = fetch_release(release.url, folder, SETTINGS, [])
    chosen = plan(archives, [WHOLE, PER_CAMERA], ASSETS, "all")
    release.sent.clear()
    text = describe_plan(chosen, sizes(chosen, SETTINGS), folder, "all")
    total = sum(len(ARCHIVES[item.name]) for item in chosen)
    assert f"all                          7         0{total / 1e9:>14.3f}" in text
    assert str(tmp_path) in text
    assert "GB; unpacked" in text
    assert "CC BY-NC 4.0" in text
    assert not release.sent, "a plan fetches no archive"
    bring(release, tmp_path, segments=[WHOLE])
    text = describe_plan(chosen, sizes(chosen, SETTINGS), folder, "all")
    rest = sum(len(ARCHIVES[item.name]) for item in chosen if item.segment == PER_CAMERA)
    assert f"all                          7         3{rest / 1e9:>14.3f}" in text


def test_a_record_tells_what_was_unpacked_and_on_what_terms(release, tmp_path):
    bring(release, tmp_path, segments=[WHOLE])
    record = json.loads((tmp_path / "archives" / f"images--{WHOLE}.json").read_text())
    data = ARCHIVES[f"images--{WHOLE}.tar"]
    assert record["md5"] == hashlib.md5(data).hexdigest()
    assert (record["bytes"], record["files"]) == (len(data), 6)
    assert "CC BY-NC 4.0" in record["licence"]

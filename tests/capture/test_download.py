import hashlib
import subprocess
import sys
import time

import pytest

from splatrig.capture.download import Client, MissingError
from splatrig.io.errors import InputError
from support.release_server import SETTINGS, Pauses, content, serve

NAME = "metadata.tar"
DATA = content("a body", 300_000)
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def release():
    with serve({NAME: DATA}) as served:
        yield served


def fetch(release, folder, md5=MD5, settings=SETTINGS, **options):
    client = Client(settings, sleep=options.pop("sleep", Pauses()), attempts=4)
    return client.fetch(f"{release.url}/{NAME}", folder / NAME, md5, **options)


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_with_one_request(release, tmp_path):
    assert fetch(release, tmp_path) == len(DATA)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert leftovers(tmp_path) == [NAME]
    assert release.requests == {("GET", NAME): 1}


def test_a_complete_file_is_not_fetched_again(release, tmp_path):
    fetch(release, tmp_path)
    assert fetch(release, tmp_path) == 0
    assert release.requests["GET", NAME] == 1


def test_a_file_that_was_damaged_on_disk_is_fetched_again(release, tmp_path):
    (tmp_path / NAME).write_bytes(DATA[:-1] + b"?")
    fetch(release, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


@pytest.mark.parametrize(
    "faults",
    [
        ["drop"],
        ["drop", "drop", "drop"],
        ["503", "503"],
        ["429"],
        ["stall"],
        ["truncate"],
        ["wrong byte"],
        ["no length"],
        ["drop", "ignore range"],
        ["drop", "503", "stall"],
        ["drop", "shifted"],
        ["drop", "other part"],
        ["other version"],
        ["truncate", "drop", "503"],
    ],
    ids=" then ".join,
)
def test_a_misbehaving_server_changes_nothing_in_what_arrives(release, tmp_path, faults):
    release.faults[NAME] = list(faults)
    fetch(release, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert leftovers(tmp_path) == [NAME]
    assert not release.faults[NAME], "the server has shown all its faults"


def test_a_broken_transfer_goes_on_from_its_last_byte(release, tmp_path):
    release.faults[NAME] = ["drop", "drop"]
    fetch(release, tmp_path)
    starts = [int(text.removeprefix("bytes=").rstrip("-")) for text, _ in release.ranges]
    assert len(starts) == 2
    assert {version for _, version in release.ranges} == {f'"{MD5}"'}, "If-Range names the version to go on with"
    assert 0 < starts[0] < starts[1] < len(DATA)
    assert release.sent[NAME] == len(DATA)


def test_a_second_run_goes_on_where_the_first_gave_up(release, tmp_path):
    release.faults[NAME] = ["drop", "503", "503", "503"]
    with pytest.raises(InputError, match=r"attempts in a row failed, the last one with: the server answered 503"):
        fetch(release, tmp_path)
    assert leftovers(tmp_path) == [f"{NAME}.part", f"{NAME}.part.json"]
    kept = (tmp_path / f"{NAME}.part").stat().st_size
    assert kept > 0
    assert fetch(release, tmp_path) == len(DATA) - kept
    assert (tmp_path / NAME).read_bytes() == DATA
    assert release.sent[NAME] == len(DATA)


def test_a_killed_process_leaves_a_part_that_the_next_one_goes_on_from(release, tmp_path):
    release.faults[NAME], release.stall_s = ["stall"], 30.0
    code = (
        "from splatrig.capture.download import Client; from splatrig.config.models import Download; "
        "Client(Download())"
        f".fetch({release.url + '/' + NAME!r}, {str(tmp_path / NAME)!r}, {MD5!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    part = tmp_path / f"{NAME}.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > len(DATA) // 4) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    kept = part.stat().st_size
    assert not (tmp_path / NAME).exists()
    assert fetch(release, tmp_path) == len(DATA) - kept
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_file_that_changed_between_two_runs_is_not_spliced(release, tmp_path):
    release.faults[NAME] = ["drop", "503", "503", "503"]
    with pytest.raises(InputError):
        fetch(release, tmp_path, md5=None)
    newer = content("another body", len(DATA))
    release.files[NAME] = newer
    fetch(release, tmp_path, md5=None)
    assert (tmp_path / NAME).read_bytes() == newer


def test_a_part_of_another_version_is_not_spliced_even_without_a_sum(release, tmp_path):
    release.faults[NAME] = ["drop", "other part"]
    fetch(release, tmp_path, md5=None)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert not release.faults[NAME]


def test_a_part_that_was_damaged_on_disk_is_noticed(release, tmp_path):
    release.faults[NAME] = ["drop", "503", "503", "503"]
    with pytest.raises(InputError):
        fetch(release, tmp_path)
    part = tmp_path / f"{NAME}.part"
    part.write_bytes(b"?" + part.read_bytes()[1:])
    fetch(release, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


@pytest.mark.parametrize("record", [None, "{", '{"url": 1}', "[]", "null"])
def test_a_part_without_a_valid_record_is_started_anew(release, tmp_path, record):
    (tmp_path / f"{NAME}.part").write_bytes(b"something else")
    if record is not None:
        (tmp_path / f"{NAME}.part.json").write_text(record)
    fetch(release, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert release.ranges == []


def test_a_part_longer_than_the_file_is_started_anew(release, tmp_path):
    release.faults[NAME] = ["drop", "503", "503", "503"]
    with pytest.raises(InputError):
        fetch(release, tmp_path)
    with (tmp_path / f"{NAME}.part").open("ab") as stream:
        stream.write(bytes(len(DATA)))
    fetch(release, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_without_versions_nothing_is_continued(release, tmp_path):
    release.versions = False
    release.faults[NAME] = ["drop"]
    fetch(release, tmp_path)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert release.ranges == []


def test_a_wrong_sum_is_fetched_twice_and_then_fails_by_name(release, tmp_path):
    wrong = "0" * 32
    with pytest.raises(InputError, match=rf"{NAME}: fetched 2 times, and its MD5 is {MD5}, expected {wrong}"):
        fetch(release, tmp_path, md5=wrong)
    assert leftovers(tmp_path) == []
    assert release.requests["GET", NAME] == 2


@pytest.mark.parametrize("status", ["401", "403", "404", "410"])
def test_a_file_that_the_server_does_not_give_fails_at_once(release, tmp_path, status):
    release.faults[NAME] = [status]
    with pytest.raises(MissingError, match=rf"{NAME}: the server answered {status}"):
        fetch(release, tmp_path)
    assert release.requests["GET", NAME] == 1
    assert leftovers(tmp_path) == []


def test_pauses_grow_and_are_few(release, tmp_path):
    release.faults[NAME] = ["503"] * 10
    pauses = Pauses()
    with pytest.raises(InputError, match="4 attempts in a row"):
        fetch(release, tmp_path, sleep=pauses)
    assert pauses == [1.0, 2.0, 4.0]


def test_a_stalled_server_costs_the_timeout(release, tmp_path):
    release.faults[NAME], release.stall_s = ["stall"], 120.0
    start = time.monotonic()
    fetch(release, tmp_path)
    assert time.monotonic() - start < 100.0  # and not the 120 s that the server stalls


def test_no_server_at_all_is_said(tmp_path):
    with serve({}) as gone:
        pass
    with pytest.raises(InputError, match=r"attempts in a row failed, the last one with: .*refused"):
        fetch(gone, tmp_path)


@pytest.mark.parametrize("fault", ["", "no length"])
def test_a_file_beyond_the_bound_is_refused_by_name(release, tmp_path, fault):
    release.faults[NAME] = [fault]
    with pytest.raises(InputError, match=rf"{NAME}: has .* bytes or more, more than capture.download.max_archive_gb"):
        fetch(release, tmp_path, settings=SETTINGS.model_copy(update={"max_archive_gb": 1e-4}))
    assert not (tmp_path / NAME).exists()


def test_a_file_that_the_disk_cannot_hold_is_refused_before_its_first_byte(release, tmp_path, monkeypatch):
    monkeypatch.setattr("splatrig.capture.download._SPARE_BYTES", 1 << 60)
    with pytest.raises(InputError, match=r"are free; make room"):
        fetch(release, tmp_path)
    assert not (tmp_path / NAME).exists()


def test_progress_counts_every_byte_once(release, tmp_path):
    release.faults[NAME] = ["drop", "ignore range", "wrong byte"]
    counts = []
    fetch(release, tmp_path, on_bytes=counts.append)
    assert sum(counts) == len(DATA)


def test_sizes_are_asked_for_without_bodies(release):
    client = Client(SETTINGS)
    assert client.size(f"{release.url}/{NAME}") == len(DATA)
    with pytest.raises(MissingError, match=r"other\.tar"):
        client.size(f"{release.url}/other.tar")
    assert release.sent[NAME] == 0


def test_a_folder_serves_like_a_server(tmp_path):
    mirror, target = tmp_path / "a mirror", tmp_path / "target"
    mirror.mkdir()
    (mirror / NAME).write_bytes(DATA)
    url = (mirror / NAME).as_uri()
    client = Client(SETTINGS)
    assert client.size(url) == len(DATA)
    assert client.fetch(url, target / NAME, MD5) == len(DATA)
    assert (target / NAME).read_bytes() == DATA
    with pytest.raises(MissingError, match="there is no such file"):
        client.fetch((mirror / "other.tar").as_uri(), target / "other.tar", MD5)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http:///x", "x"])
def test_an_address_of_another_kind_is_refused(tmp_path, url):
    with pytest.raises(InputError, match="expected an http"):
        Client(SETTINGS).fetch(url, tmp_path / NAME, None)


def test_the_proxy_of_the_environment_is_used(release, tmp_path, monkeypatch):
    proxy = release.url.removesuffix("/1234567")  # a server that ignores the host it is asked for
    monkeypatch.setenv("http_proxy", proxy)
    Client(SETTINGS).fetch(f"http://release.invalid/1234567/{NAME}", tmp_path / NAME, MD5)
    assert (tmp_path / NAME).read_bytes() == DATA

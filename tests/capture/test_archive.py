import io
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from splatrig.capture.archive import below, of_cameras, top_level, unpack
from splatrig.io.errors import InputError
from support.release_server import tar_of

FOLDER = "m--20180227--0000--1234567--GHS"
SEGMENT = "SEN_a_voice_spoke_near-at-hand"
IMAGES = below("images", SEGMENT)
LIMIT = 10**7
GOOD = f"{FOLDER}/images/{SEGMENT}/400002/000102.png"


def archive_of(path: Path, *members: tarfile.TarInfo, data: bytes = b"x" * 100) -> Path:
    """An archive with one good file and then `members`, which need not be good."""
    with tarfile.open(path, "w") as tar:
        for member in [tarfile.TarInfo(GOOD), *members]:
            if member.isreg():
                member.size = member.size or len(data)
            tar.addfile(member, io.BytesIO(data * (member.size // len(data) + 1)))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


HOSTILE = {
    "a path that climbs": member(f"{FOLDER}/images/{SEGMENT}/../../../../../evil.png"),
    "a path that climbs at its start": member("../evil.png"),
    "an absolute path": member("/tmp/evil.png"),
    "a path with backslashes": member(f"{FOLDER}\\..\\..\\evil.png"),
    "a symbolic link to a file out of the tree": member(GOOD + ".lnk", tarfile.SYMTYPE, "../../../../../../etc/passwd"),
    "a symbolic link to an absolute path": member(f"{FOLDER}/images/{SEGMENT}/400003", tarfile.SYMTYPE, "/tmp"),
    "a symbolic link within the tree": member(GOOD + ".lnk", tarfile.SYMTYPE, "000102.png"),
    "a hard link out of the tree": member(GOOD + ".lnk", tarfile.LNKTYPE, "../../evil"),
    "a hard link to an absolute path": member(GOOD + ".lnk", tarfile.LNKTYPE, "/etc/passwd"),
    "a character device": member(GOOD + ".dev", tarfile.CHRTYPE),
    "a block device": member(GOOD + ".dev", tarfile.BLKTYPE),
    "a pipe": member(GOOD + ".fifo", tarfile.FIFOTYPE),
}


REASONS = {"link": "a link to", "path": "expected a path inside", "device": "a device", "pipe": "a device or pipe"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_by_name_and_touches_nothing(tmp_path, name):
    inside = tmp_path / "inside"
    inside.mkdir()
    hostile = archive_of(inside / f"images--{SEGMENT}.tar", HOSTILE[name])
    before = sorted(tmp_path.rglob("*"))
    reason = next(words for kind, words in REASONS.items() if kind in name)
    with pytest.raises(InputError, match=rf"images--{SEGMENT}\.tar, member .*{reason}.*refused"):
        unpack(hostile, inside / "target", IMAGES, LIMIT)
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/evil.png").exists()


def test_an_archive_larger_than_the_bound_is_refused_before_it_is_unpacked(tmp_path):
    bomb = archive_of(tmp_path / "images.tar", member(f"{FOLDER}/images/{SEGMENT}/400002/000105.png", size=2_000))
    with pytest.raises(InputError, match=r"images\.tar: holds more than .* GB; refused"):
        unpack(bomb, tmp_path / "target", IMAGES, 1_000)
    assert not (tmp_path / "target").exists()


def test_the_bound_counts_what_is_left_out_too(tmp_path):
    bomb = archive_of(tmp_path / "images.tar", member("elsewhere.png", size=2_000))
    with pytest.raises(InputError, match="holds more than"):
        unpack(bomb, tmp_path / "target", IMAGES, 1_000)


def test_a_sparse_file_is_refused(tmp_path):
    """A sparse member becomes larger on disk than it is in the archive."""
    info = member(f"{FOLDER}/images/{SEGMENT}/400002/000105.png", size=512)
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,512",
        "GNU.sparse.size": "100000",
        "GNU.sparse.numblocks": "1",
    }
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(bytes(512)))
    with pytest.raises(InputError, match=r"a sparse file, expected plain ones"):
        unpack(path, tmp_path / "target", IMAGES, LIMIT)
    assert not (tmp_path / "target").exists()


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("splatrig.capture.archive.MEMBER_LIMIT", 3)
    crowd = archive_of(tmp_path / "images.tar", *(member(f"{number}") for number in range(5)))
    with pytest.raises(InputError, match="expected at most 3 members"):
        unpack(crowd, tmp_path / "target", IMAGES, LIMIT)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_archive_is_refused(tmp_path, mode):
    path = tmp_path / "images.tar"
    with tarfile.open(path, mode) as tar:
        tar.addfile(member(GOOD))
    with pytest.raises(InputError, match="not a whole, uncompressed tar"):
        unpack(path, tmp_path / "target", IMAGES, LIMIT)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_cut_archive_is_refused(tmp_path, share):
    data = tar_of({GOOD: bytes(20_000)})
    path = tmp_path / "images.tar"
    path.write_bytes(data[: int(share * 22_000)])
    with pytest.raises(InputError, match=r"images\.tar"):
        unpack(path, tmp_path / "target", IMAGES, LIMIT)
    assert not (tmp_path / "target").exists()


def test_a_path_that_is_a_file_and_a_folder_is_refused(tmp_path):
    twisted = archive_of(tmp_path / "images.tar", member(f"{GOOD}/000102.png"))
    with pytest.raises(InputError, match="both a file and a folder"):
        unpack(twisted, tmp_path / "target", IMAGES, LIMIT)
    assert not (tmp_path / "target").exists()


def test_only_what_is_wanted_is_unpacked_with_plain_permissions(tmp_path):
    path = tmp_path / f"images--{SEGMENT}.tar"
    stranger = tarfile.TarInfo(f"{FOLDER}/images/OTHER/400002/000102.png")
    rude = tarfile.TarInfo(f"{FOLDER}/images/{SEGMENT}/400013/000102.png")
    rude.mode, rude.uid, rude.mtime = 0o6777, 4_000, 1_000
    archive_of(path, stranger, rude)
    assert unpack(path, tmp_path / "target", IMAGES, LIMIT) == 2
    files = sorted(file.relative_to(tmp_path / "target").as_posix() for file in (tmp_path / "target").rglob("*.*"))
    assert files == ["400002/000102.png", "400013/000102.png"]
    status = (tmp_path / "target/400013/000102.png").stat()
    assert status.st_mode & 0o7777 == 0o755
    assert status.st_mtime > 1e9, "an old modification time would make Snakemake run the job again and again"


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = archive_of(tmp_path / "images.tar")
    with pytest.raises(InputError, match="got none among 1"):
        unpack(path, tmp_path / "target", below("tracked_mesh", SEGMENT), LIMIT)


def test_unpacking_replaces_what_was_there(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").touch()
    unpack(archive_of(tmp_path / "images.tar"), tmp_path / "target", IMAGES, LIMIT)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["400002"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{FOLDER}/images/{SEGMENT}/400002/000102.png", "400002/000102.png"),
        (f"images/{SEGMENT}/400002/000102.png", "400002/000102.png"),
        (f"./images/{SEGMENT}/400002/000102.png", "400002/000102.png"),
        (f"a/b/images/{SEGMENT}/400002/000102.png", None),
        (f"{FOLDER}/images/{SEGMENT}x/400002/000102.png", None),
        (f"{FOLDER}/images/{SEGMENT}", None),
    ],
)
def test_selections_match_whole_folders(path, expected):
    assert IMAGES(PurePosixPath(path)) == (None if expected is None else PurePosixPath(expected))


def test_selections_narrow_to_cameras_and_to_the_top_level():
    narrowed = of_cameras(IMAGES, {"400013"})
    assert narrowed(PurePosixPath(GOOD)) is None
    assert narrowed(PurePosixPath(GOOD.replace("400002", "400013"))) == PurePosixPath("400013/000102.png")
    assert top_level(PurePosixPath(f"{FOLDER}/KRT")) == PurePosixPath("KRT")
    assert top_level(PurePosixPath("KRT")) == PurePosixPath("KRT")
    assert top_level(PurePosixPath(GOOD)) is None

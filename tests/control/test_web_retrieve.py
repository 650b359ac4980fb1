import base64
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from splatrig.control.web.retrieve import RENDERER, RUNTIME, check, read_lock, retrieve_packages
from splatrig.io.errors import InputError
from support import web_renderer


def archive(members: tuple[str, ...], content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in members:
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """A registry in a folder, and the lock that pins what it has."""
    packages = {}
    for name, members in (RENDERER | RUNTIME).items():
        data = archive(members, f"content of {name}".encode())
        path = tmp_path / name / "-" / f"{name.rpartition('/')[2]}-1.0.0.tgz"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
        packages[f"node_modules/{name}"] = {"version": "1.0.0", "integrity": f"sha512-{digest}"}
    (tmp_path / "lock.json").write_text(json.dumps({"packages": packages}))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", tmp_path.as_uri())
    return tmp_path


def test_what_is_kept_comes_from_the_pinned_archives(registry):
    retrieve_packages(registry / "lock.json", RENDERER, registry / "a.zip")
    with zipfile.ZipFile(registry / "a.zip") as bundle:
        assert set(bundle.namelist()) == {f"{name}/{member}" for name, kept in RENDERER.items() for member in kept}
        assert bundle.read("three/LICENSE") == b"content of three"
    retrieve_packages(registry / "lock.json", RENDERER, registry / "b.zip")
    assert (registry / "a.zip").read_bytes() == (registry / "b.zip").read_bytes()


def test_another_archive_under_the_same_name_is_refused_and_nothing_written(registry):
    path = registry / "three" / "-" / "three-1.0.0.tgz"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"three 1\.0\.0 has sha512-.* expected sha512-"):
        retrieve_packages(registry / "lock.json", RENDERER, registry / "a.zip")
    assert not (registry / "a.zip").exists()


def test_a_registry_out_of_reach_is_one_sentence(registry, monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot be fetched .* run again"):
        retrieve_packages(registry / "lock.json", RENDERER, registry / "a.zip")


def test_a_lock_without_a_package_is_named(tmp_path):
    (tmp_path / "lock.json").write_text('{"packages": {}}')
    with pytest.raises(InputError, match=r"lock\.json.*three"):
        read_lock(tmp_path / "lock.json", RENDERER)


def test_the_committed_lock_pins_what_package_json_asks_for():
    pins = read_lock(web_renderer.SOURCES / "package-lock.json", RENDERER | RUNTIME)
    wanted = json.loads((web_renderer.SOURCES / "package.json").read_text())["dependencies"]
    assert {name: pins[name][0] for name in wanted} == wanted
    assert all(integrity.startswith("sha512-") for _, integrity in pins.values())


def test_check_accepts_the_right_bytes():
    digest = base64.b64encode(hashlib.sha512(b"right").digest()).decode()
    check("x", "1", b"right", f"sha512-{digest}")
    with pytest.raises(InputError):
        check("x", "1", b"wrong", f"sha512-{digest}")

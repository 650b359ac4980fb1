"""The server of the page: what it answers, to whom, and what it says where it cannot."""

import http.client
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import numpy as np
import pytest

from splatrig.control.serve import __main__ as command
from splatrig.control.serve.run import Run
from splatrig.control.serve.server import HOST, Server, answer
from splatrig.control.web.page import OFFLINE
from splatrig.dataset.dataset import Dataset
from splatrig.io.errors import InputError
from support.finished_run import HELD_OUT, MOVED, NEUTRAL, write_run
from support.web_page import CAMERAS, HEAD, LOCAL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("results") / "planted")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return Run(folder)


@contextmanager
def listening(run: Run, host: str = HOST) -> Iterator[Server]:
    with Server(run, 0, host=host) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def got(server: Server, path: str, host: str | None = None) -> tuple[int, bytes]:
    """Return status and content of one request."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    response = connection.getresponse()
    return response.status, response.read()


def test_the_address_that_is_said_opens_the_page_and_only_this_machine_hears_it(run, folder):
    with listening(run) as server:
        assert server.server_address[0] == "127.0.0.1"
        status, page = got(server, urlsplit(server.address).path)
    assert status == 200
    on_disk = (folder / "control" / "head.html").read_bytes()
    assert page.replace(b"connect-src 'self' blob: data:", OFFLINE.encode()) == on_disk != page


def test_the_page_that_reads_a_webcam_is_served_where_there_is_one_as_new(run, folder):
    page, webcam = folder / "control" / "head.html", folder / "control" / "head_webcam.html"
    webcam.write_text("reads a webcam")
    os.utime(webcam, (page.stat().st_mtime + 1,) * 2)
    assert answer(run, "/")[1] == b"reads a webcam"
    os.utime(webcam, (page.stat().st_mtime - 1,) * 2)
    assert b"splatrig" in answer(run, "/")[1]
    webcam.unlink()


def test_the_page_learns_which_frames_and_families_there_are(run):
    about = json.loads(answer(run, "/run.json")[1])
    assert about["frames"] == [NEUTRAL, MOVED, HELD_OUT]
    assert [family["name"] for family in about["families"]] == sorted(HEAD.families)


@pytest.mark.parametrize("frame", [NEUTRAL, MOVED])
def test_cameras_stand_where_they_stood_in_the_frame(run, folder, frame):
    found = json.loads(answer(run, f"/cameras/{frame}")[1])
    expected = Dataset.open(folder / "dataset" / "cameras.json").frame(frame).cameras
    assert [camera["name"] for camera in found] == list(CAMERAS.names)
    np.testing.assert_allclose([camera["viewmat"] for camera in found], expected.viewmats.reshape(3, 16))


def test_weights_of_a_frame_are_those_that_the_family_was_made_from(run):
    components = HEAD.families[LOCAL].rig.components
    found = json.loads(answer(run, f"/weights/{LOCAL}/{MOVED}")[1])
    np.testing.assert_allclose(found, components.W[components.frames.index(MOVED)], rtol=1e-6)


def test_a_photograph_is_the_file_itself(run, folder):
    expression, frame = MOVED.split("/")
    kind, content = answer(run, f"/photograph/{MOVED}/{CAMERAS.names[1]}")
    expected = folder / "dataset" / expression / frame / f"{CAMERAS.names[1]}.png"
    assert (kind, content) == ("image/png", expected.read_bytes())


def test_a_family_is_packed_once_and_stands_alone(run):
    _, content = answer(run, f"/family/{LOCAL}")
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    assert [family["name"] for family in header["families"]] == [LOCAL]
    last = max(place["offset"] for place in header["arrays"].values())
    assert last < len(content) - 4 - length
    assert answer(run, f"/family/{LOCAL}")[1] is content


WRONG = [
    "/../gaussians/neutral.h5",
    "/%2e%2e/gaussians/neutral.h5",
    "/photograph/../../frames.csv",
    "/photograph/E000/000000/..%2f..%2f..%2fframes.csv",
    "/photograph/..%2f..%2fE000/000000/cam0",
    "/photograph/E000/000000/nobody",
    "/cameras/E000/000009",
    "/weights/pca_all/E009/000009",
    "/family/..%2f..%2fcomponents%2fbase%2fpca_all",
    "/control/head.html",
    "//etc/passwd",
    "/favicon.ico",
]


@pytest.mark.parametrize("path", WRONG)
def test_what_there_is_not_is_refused_in_a_sentence(run, path):
    with listening(run) as server:
        status, content = got(server, path)
    assert status == 404
    assert content.decode().endswith(".")


@pytest.mark.parametrize(("host", "status"), [("localhost:9000", 200), ("evil.example", 403), ("", 403)])
def test_a_page_of_elsewhere_whose_name_leads_here_is_not_answered(run, host, status):
    with listening(run) as server:
        assert got(server, "/run.json", host)[0] == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_address_that_is_said_opens_from_elsewhere_where_others_are_let_in(run, host):
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with listening(run, host) as server:
        said = urlsplit(server.address)
        assert said.hostname not in ("0.0.0.0", "::")
        assert not server.is_private
        assert got(server, "/run.json", said.netloc)[0] == 200
        assert got(server, "/run.json", "evil.example")[0] == 403
        for called in (socket.gethostname(), "192.0.2.7:8080", "[2001:db8::7]:8080"):  # as a container's host is called
            assert got(server, "/run.json", called)[0] == 200


def test_what_is_printed_says_who_can_open_it(folder, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr(Server, "serve_forever", lambda _: None)
    assert command.main([str(folder), "--port", "0"]) == 0
    assert "http://127.0.0.1:" in caplog.text
    assert "another machine" not in caplog.text
    assert command.main([str(folder), "--port", "0", "--host", "0.0.0.0"]) == 0
    assert "here or on another machine of the network" in caplog.text
    assert "0.0.0.0" not in caplog.text


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.machine.invalid"])
def test_an_address_that_is_not_of_this_machine_is_named(run, host):
    with pytest.raises(InputError, match=rf"^host {host}: expected an address .*0\.0\.0\.0 for every address"):
        Server(run, 0, host=host)


def test_a_port_that_is_taken_is_named(run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"^port {port}: expected a free one, got one that another program uses; "
        ):
            Server(run, port)
    with pytest.raises(InputError, match="port 70000"):
        Server(run, 70000)


def test_a_run_without_a_page_says_what_to_do(tmp_path, caplog):
    assert command.main([str(tmp_path), "--port", "0"]) == 1
    assert "expected the page of a finished run" in caplog.text
    assert f"snakemake --cores 2 {tmp_path}/control/head.html" in caplog.text


def test_a_photograph_that_is_gone_is_named(tmp_path):
    run = Run(write_run(tmp_path))
    path = tmp_path / "dataset" / NEUTRAL / f"{CAMERAS.names[0]}.png"
    path.unlink()
    with pytest.raises(InputError, match=str(path)):
        run.photograph(NEUTRAL, CAMERAS.names[0])

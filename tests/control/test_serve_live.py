"""Live input of the served page: packets that arrive by UDP, the stream of events, and the page that follows."""

import http.client
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from splatrig.blendshapes.arkit import NAMES
from splatrig.control.serve import __main__ as command
from splatrig.control.serve.live import LiveLink
from splatrig.control.serve.run import Run
from splatrig.control.serve.server import Server
from splatrig.io.errors import InputError
from support.finished_run import write_run
from support.live_link_sender import packet, packet_of, send
from support.web_page import Opened, arkit_head, opened_in_browser, write_page

JAW, SMILE = NAMES.index("jawOpen"), NAMES.index("mouthSmileLeft")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = write_run(tmp_path_factory.mktemp("results") / "planted")
    write_page(arkit_head(), folder / "control" / "head.html")
    return Run(folder)


@contextmanager
def listening(run: Run) -> Iterator[tuple[Server, int]]:
    """Yield a server and the UDP port that it listens on."""
    with LiveLink(0) as live, Server(run, 0, live) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, live.port
        server.shutdown()
        thread.join()


def asked(server: Server, path: str, host: str = "localhost") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request("GET", path, headers={"Host": host})
    return connection.getresponse()


def next_event(stream: http.client.HTTPResponse) -> dict[str, float]:
    """Return the weights of the next event, past what only keeps the stream open."""
    while not (line := stream.readline()).startswith(b"data: "):
        assert line.strip() in (b"", b":")
    weights: dict[str, float] = json.loads(line.removeprefix(b"data: "))
    return weights


def test_packets_become_events_with_weights_by_name(run):
    with listening(run) as (server, port):
        stream = asked(server, "/live")
        assert stream.headers["Content-Type"] == "text/event-stream"
        for jaw in (0.25, 0.75):
            send(packet_of({"jawOpen": jaw, "mouthLeft": 0.5}), port)
            weights = next_event(stream)
            assert list(weights) == list(NAMES)
            assert {name: weight for name, weight in weights.items() if weight} == {"jawOpen": jaw, "mouthLeft": 0.5}


def test_of_many_packets_the_last_is_heard_and_streams_end_with_the_server(run):
    with listening(run) as (server, port):
        stream = asked(server, "/live")
        for step in range(1, 101):
            send(packet_of({"jawOpen": step / 128}), port)
        heard = [next_event(stream)["jawOpen"]]
        while heard[-1] < 100 / 128:
            heard.append(next_event(stream)["jawOpen"])
    assert heard == sorted(set(heard))
    assert b"data" not in stream.read()


def test_broken_packets_are_dropped_counted_and_said_once(run, caplog):
    caplog.set_level(logging.INFO)
    with listening(run) as (server, port):
        stream = asked(server, "/live")
        for content in (b"hello", packet([float("nan")] * 61), packet(None), packet_of({"jawOpen": 0.5})):
            send(content, port)
        assert next_event(stream)["jawOpen"] == 0.5
        assert server.live is not None and server.live.dropped == 2
    said = [record.getMessage() for record in caplog.records]
    assert sum("UDP packet of" in line for line in said) == 1
    assert said[-1] == "Packets dropped because they are not from Live Link Face: 2."


def test_the_page_learns_the_port_and_nothing_listens_unless_asked(run):
    with listening(run) as (server, port):
        assert json.load(asked(server, "/run.json"))["live_link"] == port
        assert asked(server, "/live", host="evil.example").status == 403
    with Server(run, 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert json.load(asked(server, "/run.json"))["live_link"] is None
        assert asked(server, "/live").status == 404
        server.shutdown()
        thread.join()


def test_a_udp_port_that_is_taken_is_named(tmp_path, caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 0))
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"^UDP port {port}: expected a free one, got "):
            LiveLink(port)
        assert command.main([str(tmp_path), "--port", "0", "--live-link", str(port)]) == 1
    assert f"UDP port {port}: expected a free one" in caplog.text
    with pytest.raises(InputError, match="UDP port 70000"):
        LiveLink(70000)


@pytest.fixture(scope="module")
def page_and_port(run: Run) -> Iterator[tuple[Opened, int]]:
    with listening(run) as (server, port), opened_in_browser(server.address, offline=False) as found:
        yield found, port
        assert found.errors == []
        assert [url for url in found.requests if not url.startswith((server.address, "blob:", "data:"))] == []


def until(page: Opened, condition: str, *arguments: object) -> None:
    """Wait for what a function of the page returns to be true; its policy forbids playwright's own way."""
    wait = "new Promise((resolve) => requestAnimationFrame(resolve))"
    page.call(f"async (head, ...given) => {{ while (!({condition})(head, ...given)) await {wait}; }}", *arguments)


def follow(page_and_port: tuple[Opened, int], **weights: float) -> None:
    """Switch live input on unless it is, send weights, and wait until the page has taken them."""
    page, port = page_and_port
    if page.page.locator("#live").get_attribute("aria-pressed") == "false":
        page.call("(head) => { head.live.quietMs = 1e6; }")
        page.page.locator("#live").click()
        until(page, "(head) => head.live.source.readyState === EventSource.OPEN")
    send(packet_of(weights), port)
    until(
        page,
        """({ live: { latest, fresh } }, sent) =>
            !fresh && latest && Object.entries(sent).every(([name, weight]) => latest[name] === weight)""",
        weights,
    )


def test_sliders_follow_what_the_phone_sends_and_one_undo_takes_it_back(page_and_port):
    page, _ = page_and_port
    page.to_rest()
    start = page.call("(head) => head.history.past.length")
    for jaw in (0.25, 0.5, 0.75):
        follow(page_and_port, jawOpen=jaw)
        assert page.weights()[JAW] == jaw
        slider = page.page.locator(f"input[data-component='{JAW}']")
        assert float(slider.input_value()) == pytest.approx(jaw, abs=1e-3)
    assert page.call("(head) => head.history.past.length") == start
    page.page.locator("#live").click()
    assert page.weights()[JAW] == 0.75
    assert page.call("(head) => head.history.past.length") == start + 1
    page.page.locator("#undo").click()
    assert not page.weights().any()
    follow(page_and_port, jawOpen=0.75)
    page.page.keyboard.press("Control+z")
    assert not page.weights().any()
    assert page.page.locator("#live").get_attribute("aria-pressed") == "false"
    page.page.locator("#redo").click()
    assert page.weights()[JAW] == 0.75


def test_the_present_look_becomes_the_neutral_one_and_weights_stay_between_0_and_1(page_and_port):
    page, _ = page_and_port
    page.to_rest()
    follow(page_and_port, jawOpen=0.25, mouthSmileLeft=0.5)
    page.page.locator("#neutral").click()
    until(page, "(head) => head.rig.weights.every((weight) => weight === 0)")
    follow(page_and_port, jawOpen=1.0, mouthSmileLeft=0.25)
    assert (page.weights()[JAW], page.weights()[SMILE]) == (0.75, 0.0)
    follow(page_and_port, jawOpen=3.0, mouthSmileLeft=0.75)
    assert (page.weights()[JAW], page.weights()[SMILE]) == (1.0, 0.25)
    page.to_rest()
    page.call("(head) => { head.live.neutral = {}; }")


def test_what_is_sent_is_recorded_as_a_track(page_and_port):
    page, _ = page_and_port
    page.to_rest()
    follow(page_and_port, jawOpen=0.25)
    page.page.locator("#record").click()
    for jaw in (0.5, 0.75):
        follow(page_and_port, jawOpen=jaw)
    page.page.locator("#record").click()
    track = page.call("(head) => head.player.track")
    assert track["family"] == "learned_arkit"
    assert [row[JAW] for row in track["weights"]][:3] == [0.25, 0.5, 0.75]


def test_silence_is_said_and_any_other_pose_switches_it_off(page_and_port):
    page, _ = page_and_port
    page.to_rest()
    page.call("(head) => { head.live.quietMs = 10; }")
    page.page.locator("#live").click()
    page.page.locator("#message.error", has_text="No face from Live Link Face for 0.01 s").wait_for()
    slider = page.page.locator(f"input[data-component='{SMILE}']")
    slider.focus()
    slider.press("End")
    assert page.message() == ("Live is off.", False)
    assert page.page.locator("#neutral").is_disabled()
    assert page.weights()[SMILE] == 1.0


def test_a_page_from_disk_has_no_live_input(opened):
    assert opened.page.locator("#live").is_hidden()
    assert opened.page.locator("#neutral").is_hidden()

"""The page follows a webcam: Chromium's fake one, which shows photographs of the CC0 head whose weights are known."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.blendshapes.arkit import NAMES
from splatrig.capture.demo.rig import REST_POSE
from splatrig.components.weights import solve_weights
from splatrig.control.web.webcam import RUNTIME_PARTS
from splatrig.io.errors import InputError
from splatrig.landmarks.canonical import similarity_to
from splatrig.landmarks.points import POINTS
from splatrig.landmarks.responses import STABLE
from support import face_networks, web_renderer, webcam_truth
from support.network_responses import RESPONSES, Photographer
from support.web_page import Opened, arkit_head, write_page

SCRIPTS = web_renderer.SOURCES / "webcam"
SHOWN: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.4},
    {"jawOpen": 0.8},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    {},
)
"""Weights of each photograph; in the last the head is turned."""
TURN_DEG = 10.0
ORDER = [0] * 20 + [number for number in range(len(SHOWN)) for _ in range(5)]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of blendshapes in a browser with the fake webcam, which waits for consent."""
    face_networks.skip_without_networks()
    folder = tmp_path_factory.mktemp("webcam")
    photographer = Photographer(image_height=144)
    turned = REST_POSE.copy()
    turned[:, :3] = REST_POSE[:, :3] @ Rotation.from_euler("y", TURN_DEG, degrees=True).as_matrix()
    poses = [REST_POSE] * (len(SHOWN) - 1) + [turned]
    photographs = [photographer.photograph(*shown) for shown in zip(SHOWN, poses, strict=True)]
    with webcam_truth.page_with_webcam(folder, photographs, ORDER) as (found, address):
        yield found
        assert found.errors == []
        assert [url for url in found.requests if not url.startswith((address, "blob:", "data:"))] == []


def test_the_page_asks_before_it_looks_and_takes_no_for_an_answer(followed):
    followed.page.locator("#webcam").click()
    assert "none is saved or sent" in followed.page.locator("#ask-webcam").inner_text()
    followed.page.locator("#ask-webcam button", has_text="Not now").click()
    followed.page.locator("#message", has_text="stays off").wait_for()
    assert followed.page.locator("#webcam").get_attribute("aria-pressed") == "false"
    assert followed.page.locator("#preview").is_hidden()


def test_the_head_does_what_the_webcam_sees(followed):
    seen = webcam_truth.followed(followed, len(SHOWN))
    assert followed.message() == ("The face follows the webcam.", False)
    for name, (correlation, slope) in webcam_truth.compared(seen, SHOWN).items():
        assert correlation > 0.8, name
        assert 0.3 < slope < 1.5, name
    numbers = np.array([each["number"] for each in seen])
    turns = Rotation.from_quat([each["turn"] for each in seen]).as_rotvec(degrees=True)
    last = np.array([turns[numbers == number][-1] for number in range(len(SHOWN))])
    assert last[-1, 1] == pytest.approx(TURN_DEG, abs=4.0)
    assert np.abs(last[:-1, 1]).max() < 4.0
    shown = followed.weights()[: len(NAMES)]
    latest = followed.call("(head) => head.live.latest")
    np.testing.assert_allclose([shown[NAMES.index(name)] for name in latest], list(latest.values()), atol=0.35)


def test_neutral_looks_at_the_face_at_rest_once_more_and_a_slider_switches_the_webcam_off(followed):
    followed.page.evaluate("window.seen.length = 0")
    followed.page.locator("#neutral").click()
    followed.page.locator("#message", has_text="with a face at rest, for a second").wait_for()
    followed.page.locator("#message", has_text="The face follows the webcam.").wait_for()
    slider = followed.page.locator(f"input[data-component='{NAMES.index('cheekPuff')}']")
    slider.focus()
    slider.press("End")
    assert followed.message() == ("Live is off.", False)
    assert followed.page.locator("#preview").is_hidden()
    assert followed.call("(head) => head.view.turned.toArray()") == [0, 0, 0, 1]
    assert followed.page.evaluate("document.getElementById('preview').srcObject") is None


def test_a_webcam_that_is_not_there_is_said(followed):
    followed.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }; }"
    )
    followed.page.locator("#webcam").click()
    followed.page.locator("#ask-webcam button", has_text="Start").click()
    message = "The webcam: no webcam was found; connect one and try again."
    followed.page.locator("#message.error", has_text=message).wait_for()
    assert followed.page.locator("#webcam").get_attribute("aria-pressed") == "false"


def computed(page: Opened, function: str, *arguments: object) -> Any:
    """Return what a function of the page makes of the module weights.js and of arguments."""
    return page.call(
        f"""async (head, source, given) => {{
            const url = URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }}));
            return ({function})(await import(url), ...JSON.parse(given));
        }}""",
        (SCRIPTS / "weights.js").read_text(encoding="utf-8"),
        json.dumps(arguments),  # playwright's own way is slow for long lists
    )


def test_weights_are_those_of_the_solver_in_python(opened):
    generator = np.random.default_rng(0)
    truth = np.where(generator.random((4, len(RESPONSES.names))) < 0.2, generator.random((4, len(RESPONSES.names))), 0)
    moved = np.tensordot(truth, RESPONSES.shapes, 1) + generator.normal(0, 0.2, (4, len(POINTS), 3))
    found = computed(
        opened,
        "({ solver }, responses, moved) => moved.map(solver(responses)).map((weights) => [...weights])",
        RESPONSES.as_json(),
        moved.reshape(4, -1).tolist(),
    )
    depth, price, ridge = (_constant(name) for name in ("DEPTH", "PRICE", "RIDGE"))
    scale = np.array([1.0, 1.0, depth])
    flat, targets = ((scale * points).reshape(len(points), -1) for points in (RESPONSES.shapes, moved))
    out = RESPONSES.neutral - RESPONSES.neutral.mean(axis=0)
    motions = [np.broadcast_to(axis, out.shape) for axis in np.eye(3)] + [np.cross(axis, out) for axis in np.eye(3)]
    rigid, _ = np.linalg.qr(np.array([(scale * motion).ravel() for motion in [*motions, out]]).T)
    flat = flat - flat @ rigid @ rigid.T
    expected = solve_weights(flat @ flat.T + ridge * np.eye(len(flat)), targets @ flat.T - price, limits=(0.0, 1.0))
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert (np.abs(expected - truth).max(axis=0)[[RESPONSES.names.index("jawOpen")]] < 0.2).all()


def test_the_head_is_laid_over_the_face_at_rest_as_in_python(opened):
    turn = Rotation.from_euler("xyz", [12, -25, 8], degrees=True)
    neutral = RESPONSES.neutral
    face = 2.5 * turn.apply(neutral) + [300.0, -200.0, 40.0] + np.random.default_rng(1).normal(0, 1, neutral.shape)
    stable = [POINTS.index(point) for point in STABLE]
    found = computed(
        opened,
        """({ fit, back }, neutral, face, stable) => {
            const laid = fit(neutral, face, stable);
            return [laid.quat, laid.scale, back(laid, face)];
        }""",
        neutral.ravel().tolist(),
        face.ravel().tolist(),
        stable,
    )
    expected = similarity_to(face[stable], neutral[stable])
    np.testing.assert_allclose(Rotation.from_quat(found[0]).as_matrix(), expected.turn, atol=1e-6)
    assert found[1] == pytest.approx(expected.scale, rel=1e-3)  # least squares the other way round
    np.testing.assert_allclose(expected.of(np.reshape(found[2], (-1, 3))), face, atol=0.3)


def test_a_turned_head_is_seen_from_the_other_side(opened):
    quat = Rotation.from_euler("xyz", [5, 20, -3], degrees=True)
    center = np.array(opened.call("(head) => head.view.controls.target.toArray()"))
    point = center + np.array([10.0, 20.0, 70.0])
    project = """(head, quat, point) => {
        head.view.turnHead(quat);
        head.view.resize(320, 320);
        const seen = head.view.projector(320, 320)(point);
        head.view.turnHead(null);
        return seen;
    }"""
    turned = opened.call(project, quat.as_quat().tolist(), point.tolist())
    moved = opened.call(project, None, (quat.apply(point - center) + center).tolist())
    np.testing.assert_allclose(turned, moved, rtol=1e-6)


def _constant(name: str) -> float:
    found = re.search(rf"\b{name} = ([\d.]+)", (SCRIPTS / "weights.js").read_text(encoding="utf-8"))
    assert found is not None
    return float(found[1])


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """An archive with members of the right names."""
    path = tmp_path / "litert.zip"
    with ZipFile(path, "w") as bundle:
        for member in RUNTIME_PARTS.values():
            bundle.writestr(member, f"content of {member}")
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "head.html"
    write_page(arkit_head(), path)
    return path.read_text(encoding="utf-8")


def test_the_parts_are_added_to_a_page_that_is_otherwise_the_same(page, runtime):
    face_networks.skip_without_networks()
    found = webcam_truth.with_webcam(page, runtime)
    carried = dict(re.findall(r'data-webcam="([^"]+)">([^<]*)<', found))
    assert set(carried) == {*RUNTIME_PARTS, "faces.tflite", "points.tflite", "responses.json"} | {
        path.name for path in SCRIPTS.glob("*.js") if path.name != "webcam.js"
    }
    assert gzip.decompress(base64.b64decode(carried["points.tflite"])) == face_networks.MESH.read_bytes()
    assert "License of &lt;networks&gt;" in found
    ids = re.findall(r'id="([^"]+)"', found)
    assert len(ids) == len(set(ids))
    scripts = r'<script [^>]*data-(?:webcam|module="splatrig/webcam)[^>]*>[^<]*</script>\n'
    assert re.sub(rf"{scripts}|<pre>@litertjs.*?</pre>\n", "", found, flags=re.DOTALL) == page


def test_what_is_no_page_and_an_archive_without_a_member_are_refused(page, runtime, tmp_path):
    with pytest.raises(InputError, match="expected a page that splatrig wrote"):
        webcam_truth.with_webcam("<html></html>", runtime)
    ZipFile(tmp_path / "empty.zip", "w").close()
    with pytest.raises(InputError, match=r"empty\.zip: .*delete it and run again"):
        webcam_truth.with_webcam(page, tmp_path / "empty.zip")

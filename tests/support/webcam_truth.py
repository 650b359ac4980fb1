"""Prints how well the page reads expressions of known weights off a webcam: the table of benchmarks/control/control.md.

PYTHONPATH=workflow/lib:tests python -m support.webcam_truth second

photographs one of the demo's people from the front, in every expression of the demo and three steps of each, shows them
to the page by Chromium's fake webcam, and prints, per blendshape, the correlation of what was read with the true weight
over all images that were seen, and the slope of the one on the other. Takes two minutes.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.demo.expressions import frame_weights, load_expressions
from splatrig.capture.demo.identity import PEOPLE
from splatrig.capture.demo.rig import head_poses
from splatrig.control.web.webcam import add_webcam
from splatrig.landmarks.responses import Responses
from support import face_networks, fake_webcam, web_renderer
from support.network_responses import RESPONSES, Photographer
from support.web_page import Opened, arkit_head, opened_in_browser, write_page

EXPRESSIONS = load_expressions(web_renderer.ROOT / "resources" / "expressions" / "demo.yaml")
STEPS, IMAGES = 3, 4
"""Photographs per expression, and how many images of the webcam each of them lasts."""
AT_REST = 25
"""Images at the beginning, of which those of a second are looked at."""


def with_webcam(page: str, runtime: Path, responses: Responses = RESPONSES) -> str:
    """Return a page with all that reads a webcam."""
    return add_webcam(
        page,
        responses,
        sources=web_renderer.SOURCES,
        runtime=runtime,
        detector=face_networks.DETECTOR,
        mesh=face_networks.MESH,
        license_text="License of <networks>",
    )


@contextmanager
def page_with_webcam(
    folder: Path, photographs: Sequence[NDArray[np.uint8]], order: Sequence[int]
) -> Iterator[tuple[Opened, str]]:
    """Open the page of a planted head in a browser whose webcam shows photographs in an order; yield its address."""
    fake_webcam.write_video(folder / "face.y4m", photographs, order)
    path = folder / "head_webcam.html"
    write_page(arkit_head(), path)
    path.write_text(with_webcam(path.read_text(encoding="utf-8"), web_renderer.runtime_path()), encoding="utf-8")
    with opened_in_browser(path.as_uri(), offline=True, flags=fake_webcam.flags(folder / "face.y4m")) as opened:
        yield opened, path.as_uri()


def followed(opened: Opened, count: int) -> list[dict[str, Any]]:
    """Switch the webcam on, take the first photograph for the face at rest, and return what is found in each image.

    Until all of the `count` photographs were seen. The video runs while the networks are unpacked, so the face at rest
    is looked at when it begins again.
    """
    opened.call(fake_webcam.READ_NUMBERS)
    opened.page.locator("#webcam").click()
    opened.page.locator("#ask-webcam button", has_text="Start").click()
    opened.call(
        """async (head, count) => {
            const until = async (isSo) => {
                while (!isSo()) await new Promise((resolve) => requestAnimationFrame(resolve));
            };
            const all = () => new Set(window.seen.map(({ number }) => number)).size === count;
            await until(() => window.seen.length > 0 && window.number > 0);
            await until(() => window.number === 0);
            document.getElementById("neutral").click();
            window.seen.length = 0;
            await until(() => all() && window.number === 0);
        }""",
        count,
    )
    seen: list[dict[str, Any]] = opened.page.evaluate("window.seen")
    return seen


def compared(seen: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Return correlation and slope of read on true weights, by name, for blendshapes that photographs show."""
    found = {}
    for name in RESPONSES.names:
        true = np.array([shown[each["number"]].get(name, 0.0) for each in seen])
        read = np.array([each["weights"][name] for each in seen])
        if true.any():
            correlation = np.corrcoef(true, read)[0, 1] if read.any() else 0.0
            found[name] = float(correlation), float(true @ read / (true @ true))
    return found


def main(person: str) -> None:
    """Photograph, show, print."""
    seed = list(PEOPLE).index(person)
    photographer, shown, photographs = Photographer(person, image_height=256, seed=seed), [], []
    for segment, peak in EXPRESSIONS.items():
        for weights, pose in zip(frame_weights(peak, STEPS), head_poses(segment, STEPS, seed), strict=True):
            shown.append(weights)
            photographs.append(photographer.photograph(weights, pose))
    order = [0] * AT_REST + [number for number in range(len(shown)) for _ in range(IMAGES)]
    with tempfile.TemporaryDirectory() as folder, page_with_webcam(Path(folder), photographs, order) as (opened, _):
        seen = followed(opened, len(shown))
    for name, (correlation, slope) in sorted(compared(seen, shown).items(), key=lambda item: -item[1][0]):
        sys.stdout.write(f"{name:22} {correlation:6.2f} {slope:6.2f}\n")
    sys.stdout.write(f"{len(seen)} images\n")


if __name__ == "__main__":
    main(sys.argv[1])

"""Add webcam input to the page: a runtime for networks, the networks, and the scripts that use them.

Everything is text inside the page, unpacked when the webcam is switched on. A page without it is unchanged.
"""

import html
import json
import zipfile
from pathlib import Path

from splatrig.control.web.page import module_text, packed_text
from splatrig.io.errors import InputError
from splatrig.landmarks.responses import Responses

RUNTIME_PARTS = {
    "litert.js": "@litertjs/core/dist/index.js",
    "litert_wasm.js": "@litertjs/core/wasm/litert_wasm_compat_internal.js",
    "litert.wasm": "@litertjs/core/wasm/litert_wasm_compat_internal.wasm",
    "wasm-utils.js": "@litertjs/wasm-utils/dist/index.js",
}
"""Member of the runtime's archive by name of the part."""

MODULE = "webcam.js"
"""Module of the page itself; the worker runs the others."""

BEFORE = '<script type="text/plain" id="head">'
"""Text of the page before which the parts are inserted; names and titles in a page are escaped and cannot contain
it."""
LICENCES = "<summary>Licenses</summary>\n"
"""Text of the page after which the license of the parts is inserted."""


def add_webcam(
    page: str,
    responses: Responses,
    *,
    sources: str | Path,
    runtime: str | Path,
    detector: str | Path,
    mesh: str | Path,
    license_text: str,
) -> str:
    """Return a page of `build_page` with everything that reads a webcam.

    Args:
        page: The page without webcam input.
        responses: Responses of the networks to blendshapes.
        sources: Folder workflow/web.
        runtime: Output of `retrieve_packages`.
        detector: Network that detects faces.
        mesh: Network that detects points of a face.
        license_text: License of both networks.

    Raises:
        InputError: The page is not one of `build_page`, or a part is missing.
    """
    if page.count(BEFORE) != 1 or page.count(LICENCES) != 1:
        raise InputError("The web head: expected a page that splatrig wrote, got another; make it again.")
    with zipfile.ZipFile(runtime) as archive:
        try:
            parts = {name: archive.read(member) for name, member in RUNTIME_PARTS.items()}
        except KeyError as error:
            raise InputError(f"{runtime}: {error.args[0]}; delete it and run again.") from error
    own = {path.name: path for path in sorted((Path(sources) / "webcam").glob("*.js"))}
    module = own.pop(MODULE).read_text(encoding="utf-8")
    parts |= {name: path.read_bytes() for name, path in own.items()}
    parts |= {"faces.tflite": Path(detector).read_bytes(), "points.tflite": Path(mesh).read_bytes()}
    parts["responses.json"] = json.dumps(responses.as_json(), separators=(",", ":")).encode()
    carried = "\n".join(
        f'<script type="text/plain" id="webcam{number}" data-webcam="{html.escape(name)}">{packed_text(data)}</script>'
        for number, (name, data) in enumerate(parts.items())
    )
    carried += "\n" + module_text("module_webcam", f"splatrig/{MODULE}", module)
    terms = f"<pre>@litertjs/core, @litertjs/wasm-utils, networks of MediaPipe\n\n{html.escape(license_text)}</pre>\n"
    return page.replace(LICENCES, LICENCES + terms).replace(BEFORE, f"{carried}\n{BEFORE}")

"""The page: packed head, scripts and licenses in one HTML file."""

import base64
import gzip
import html
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig import __version__
from splatrig.blendshapes import arkit
from splatrig.components.labels import title_of
from splatrig.control.head import Head
from splatrig.control.labels import component_label
from splatrig.control.panel import Panel
from splatrig.control.track import Track
from splatrig.control.web.measure import Cost
from splatrig.control.web.pack import PackedHead
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

RENDERER_MODULES = {
    "three": "three/build/three.module.js",
    "three/core": "three/build/three.core.js",
    "three/addons/controls/OrbitControls.js": "three/examples/jsm/controls/OrbitControls.js",
    "three/addons/postprocessing/Pass.js": "three/examples/jsm/postprocessing/Pass.js",
    "@sparkjsdev/spark": "@sparkjsdev/spark/dist/spark.module.min.js",
}
"""Member of the renderer's archive by the name that scripts import."""

LICENSES = ("three", "@sparkjsdev/spark", "fflate")

BOOT = "boot.js"
"""Script that starts all others, which are modules."""

MARGIN = 1.1
"""Height of the first view, relative to the head's."""

FRAMED = (0.002, 0.998)
"""Quantiles of the Gaussians along each axis that the first view frames; a few Gaussians may be far from the head."""

OFFLINE = "connect-src blob: data:"
"""Connections that the policy of a page allows (index.html): none; a server of the page adds itself."""

_DTYPES = {np.uint8: "u8", np.int16: "i16", np.uint32: "u32", np.int32: "i32", np.float32: "f32"}
_SIBLING = re.compile(r"""(from\s*|import\s*)(["'])\./([\w.]+)\.js\2""")


def write_blob(arrays: Mapping[str, NDArray]) -> tuple[dict[str, dict[str, Any]], bytes]:
    """Return the location of each array (dtype, offset in bytes, count) and the bytes; offsets are multiples of 4."""
    places, parts, offset = {}, [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        places[name] = {"dtype": _DTYPES[array.dtype.type], "offset": offset, "count": array.size}
        parts.append(data + bytes(-len(data) % 4))
        offset += len(parts[-1])
    return places, b"".join(parts)


def header_of(
    head: Head,
    packed: PackedHead,
    cameras: Cameras,  # in head space
    tracks: Mapping[str, Track],
) -> tuple[dict[str, Any], bytes]:
    """Return the page's header, which describes everything, and the bytes of the arrays.

    `tracks` belong to families of the head and have titles as keys.
    """
    level = head.template.finest_level
    arrays = packed.arrays() | {"faces": head.faces.astype(np.uint32), "mask": level.mask.astype(np.uint8)}
    places, blob = write_blob(arrays)
    low, high = np.quantile(head.base.means, FRAMED, axis=0)
    families = []
    for name, family in head.families.items():
        panel = family.panel
        families.append(
            {
                "name": name,
                "title": title_of(name),
                "names": list(panel.names),
                "labels": [component_label(component) for component in panel.names],
                "first": packed.first[name],
                "low": _short(panel.low),
                "high": _short(panel.high),
                "told": None if (told := family.rig.components.told) is None else told.tolist(),
                "limits": None if panel.limits is None else list(panel.limits),
                "usual": _short(usual_weights(panel)),
                "presets": {expression: _short(weights) for expression, weights in panel.presets.items()},
                "follows": packed.worn is not None and name in packed.worn.families,
                "groups": groups_of(panel.names) if family.rig.components.are_blendshapes else None,
                "mirrors": mirrors_of(panel.names, family.rig.components.partners),
            }
        )
    header = {
        "subject": head.subject,
        "gaussians": len(head.base),
        "arrays": places,
        "columns": {
            name: {"middle": columns.middle.tolist(), "step": columns.step.tolist()}
            for name, columns in packed.base.items()
        },
        "shN_step": packed.shN_step,
        "steps": packed.steps.tolist(),
        "families": families,
        "center": ((low + high) / 2).tolist(),
        "height_mm": float(MARGIN * (high - low)[1]),
        "image_size": [cameras.width, cameras.height],
        "cameras": camera_entries(cameras),
        "tracks": [
            {
                "title": title,
                "family": track.family,
                "times": _short(track.times - track.times[0]),
                "weights": [_short(row) for row in track.ordered(head.panels[track.family].names).weights],
            }
            for title, track in tracks.items()
        ],
    }
    return header, blob


def groups_of(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the groups of blendshape sliders: ARKit's by the part of the face, and the others."""
    place = {name: k for k, name in enumerate(names)}
    grouped = {}
    for title, members in arkit.GROUPS.items():
        pairs = dict.fromkeys(
            both for name in members for both in (name, arkit.mirrored(name))
        )  # the right side follows the left one
        grouped[title] = [place[name] for name in pairs if name in place]
    grouped["more"] = [k for k, name in enumerate(names) if name not in arkit.NAMES]
    return [{"title": title, "components": components} for title, components in grouped.items() if components]


def mirrors_of(names: Sequence[str], partners: NDArray[np.int64] | None) -> list[int]:
    """Return the index of each component's mirror image [K], by ARKit's names or from the model; -1 for none."""
    found = [-1] * len(names) if partners is None else partners.tolist()
    for k, name in enumerate(names):
        other = arkit.mirrored(name) if name in arkit.NAMES else name
        if other != name and other in names:
            found[k] = names.index(other)
    return found


def camera_entries(cameras: Cameras) -> list[dict[str, Any]]:
    """Return names, K [9] and viewmat [16] of cameras, row-major, for JSON."""
    return [
        {"name": name, "K": K.ravel().tolist(), "viewmat": viewmat.ravel().tolist()}
        for name, K, viewmat in zip(cameras.names, cameras.Ks, cameras.viewmats, strict=True)
    ]


def footer_of(head: Head, packed: PackedHead, cost: Cost, notice: str) -> list[str]:
    """Return the lines below the controls: content, loss of precision, and license terms."""
    lines = [
        f"{len(head.base):,} Gaussians, {_counted(len(packed.steps), 'component')}. "
        "Nothing is sent or fetched: the page works offline.",
        cost.sentence(),
    ]
    if packed.left_out:
        lines.append(f"Components also move {', '.join(packed.left_out)}, which this page keeps at rest.")
    return [*lines, *([notice] if notice else []), f"Made by splatrig {__version__}; rendered by three.js and Spark."]


def usual_weights(panel: Panel) -> NDArray[np.float64]:  # [K]
    """Return the root mean square of each component's fitted weights; for one that no frame uses, the others' mean."""
    usual = np.sqrt(np.diag(panel.covariance) + panel.mean**2)
    return np.where(usual > 0, usual, np.where(usual.any(), usual.mean(), 1.0))


def titles_of(tracks: Mapping[str, Track]) -> dict[str, Track]:
    """Return tracks, given by path, under their titles on the page: `tour · global, learned`."""
    return {f"{Path(path).stem} · {title_of(track.family)}": track for path, track in tracks.items()}


def numbers_of(head: Head, packed: PackedHead, cost: Cost, page: str, blob: bytes) -> dict[str, Any]:
    """Return the sizes of a page, and its loss of precision, for JSON."""
    return {
        "subject": head.subject,
        "families": list(head.families),
        "gaussians": len(head.base),
        "components": len(packed.steps),
        "page_bytes": len(page.encode()),
        "head_bytes": len(blob),
        "dropped_rows": packed.dropped,
        "left_out": list(packed.left_out),
        "quantization": asdict(cost),
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(numbers: NDArray[np.floating]) -> list[float]:
    """Return values with the seven digits that float32 holds."""
    return [float(f"{number:.7g}") for number in np.asarray(numbers).ravel()]


def build_page(
    header: Mapping[str, Any],
    blob: bytes,
    *,
    title: str,
    footer: Sequence[str],
    sources: str | Path,
    renderer: str | Path,
) -> str:
    """Return the HTML: `sources` is the folder workflow/web, `renderer` the output of the rule `retrieve_renderer`.

    The page refers to no other file; user-supplied text (names, titles) is escaped.
    """
    folder = Path(sources)
    with zipfile.ZipFile(renderer) as archive:
        try:
            modules = {name: archive.read(member).decode() for name, member in RENDERER_MODULES.items()}
            licenses = {name: archive.read(f"{name}/LICENSE").decode() for name in LICENSES}
        except KeyError as error:
            raise InputError(f"{renderer}: {error.args[0]}; delete it and run again.") from error
    own = [path for path in sorted((folder / "src").glob("*.js")) if path.name != BOOT]
    modules |= {f"splatrig/{path.name}": path.read_text(encoding="utf-8") for path in own}
    scripts = [module_text(f"module{number}", name, source) for number, (name, source) in enumerate(modules.items())]
    parts = {
        "version": __version__,
        "title": html.escape(title),
        "style": (folder / "style.css").read_text(encoding="utf-8"),
        "footer": "\n".join(f"<p>{html.escape(line)}</p>" for line in footer),
        "licences": "\n".join(
            f"<pre>{html.escape(name)}\n\n{html.escape(text)}</pre>" for name, text in licenses.items()
        ),
        "header": json.dumps(header, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "head": packed_text(blob),
        "modules": "\n".join(scripts),
        "boot": (folder / "src" / BOOT).read_text(encoding="utf-8"),
    }
    template = (folder / "index.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def module_text(id_: str, name: str, source: str) -> str:
    """Return the element that contains a module, which others import by `name`."""
    packed = packed_text(_with_names(source, name).encode())
    return f'<script type="text/plain" id="{html.escape(id_)}" data-module="{html.escape(name)}">{packed}</script>'


def _with_names(source: str, module: str) -> str:
    """Return a module in which imports of siblings (`./rig.js`) use the names of the import map."""
    names = {"three.core": "three/core"} if module.startswith("three") else {}
    return _SIBLING.sub(lambda match: f'{match[1]}"{names.get(match[3], f"splatrig/{match[3]}.js")}"', source)


def packed_text(data: bytes) -> str:
    """Return bytes, compressed, as text that boot.js unpacks; equal bytes give equal text."""
    return base64.b64encode(gzip.compress(data, compresslevel=9, mtime=0)).decode()

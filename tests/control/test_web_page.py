import base64
import gzip
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from splatrig.control.filters import tour
from splatrig.control.head import Family, Head
from splatrig.control.web.measure import cost_of
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import (
    LICENSES,
    RENDERER_MODULES,
    build_page,
    footer_of,
    header_of,
    write_blob,
)
from splatrig.io.errors import InputError
from support import heads, planted, web_renderer

HEAD = heads.head(1)
NASTY = "PCA 01 · </script><b>left</b> & right"


@pytest.fixture
def renderer(tmp_path):
    """An archive with members of the right names."""
    path = tmp_path / "renderer.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        for member in RENDERER_MODULES.values():
            bundle.writestr(member, 'export * from "./three.core.js"; // </script>')
        for name in LICENSES:
            bundle.writestr(f"{name}/LICENSE", f"License of <{name}>")
    return path


def page_of(head, renderer, **options):
    packed = pack_head(head, 1.0)
    tracks = {"tour": tour(head.panels["pca_all"], rate=10, move_s=0.3, hold_s=0.1)}
    header, blob = header_of(head, packed, planted.cameras(2), tracks)
    footer = footer_of(head, packed, cost_of(head, packed, planted.cameras(1)), "On terms.")
    given = {"title": "splatrig · planted", "footer": footer, "sources": web_renderer.SOURCES, "renderer": renderer}
    return build_page(header, blob, **(given | options))


def test_arrays_lie_where_the_header_says():
    arrays = {
        "a": np.arange(5, dtype=np.uint8),
        "b": np.arange(6, dtype=np.int16).reshape(2, 3) - 3,
        "c": np.ones(1, "f4"),
    }
    places, blob = write_blob(arrays)
    for name, array in arrays.items():
        place = places[name]
        assert place["offset"] % 4 == 0
        assert np.array_equal(np.frombuffer(blob, array.dtype, place["count"], place["offset"]), array.ravel())


def test_the_header_tells_which_blendshapes_the_capture_shows():
    made = planted.head(1)
    head = Head("planted", {"learned_arkit": heads.blendshapes(made)}, heads.template(made))
    header, _ = header_of(head, pack_head(head, 1.0), planted.cameras(1), {})
    assert header["families"][0]["told"] == [True, True, False, True]
    assert header["families"][0]["names"] == list(planted.BLENDSHAPES)


def test_the_header_tells_ranges_presets_cameras_and_tracks():
    packed = pack_head(HEAD, 1.0)
    track = tour(HEAD.panels["pca_all"], rate=10, move_s=0.3, hold_s=0.1)
    header, _ = header_of(HEAD, packed, planted.cameras(2), {"tour": track})
    by_name = {family["name"]: family for family in header["families"]}
    for name, panel in HEAD.panels.items():
        np.testing.assert_allclose(by_name[name]["high"], panel.high, rtol=1e-6)
        assert by_name[name]["names"] == list(panel.names)
        assert set(by_name[name]["presets"]) == set(panel.presets)
        assert by_name[name]["told"] is None
    assert [camera["name"] for camera in header["cameras"]] == ["cam0", "cam1"]
    np.testing.assert_allclose(header["tracks"][0]["weights"], track.weights, rtol=1e-6, atol=1e-12)
    assert header["gaussians"] == len(HEAD.base)


def test_nothing_in_the_page_refers_to_another_place(renderer):
    page = page_of(HEAD, renderer)
    shell = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)  # licenses may name their homes
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*""", shell)
    assert not re.findall(r"https?://", shell)
    assert "default-src 'none'" in page
    assert "connect-src" not in page.replace("connect-src blob: data:", "")


def test_every_module_is_carried_and_siblings_are_renamed(renderer):
    page = page_of(HEAD, renderer)
    carried = dict(re.findall(r'data-module="([^"]+)">([^<]*)<', page))
    own = {f"splatrig/{path.name}" for path in (web_renderer.SOURCES / "src").glob("*.js")} - {"splatrig/boot.js"}
    assert set(carried) == set(RENDERER_MODULES) | own
    sources = {name: gzip.decompress(base64.b64decode(text)).decode() for name, text in carried.items()}
    assert 'from "splatrig/rig.js"' in sources["splatrig/main.js"]
    assert 'from "three/core"' in sources["three"]
    imported = {name for source in sources.values() for name in re.findall(r'^import [^"]*"([^"]+)";', source, re.M)}
    assert imported <= set(carried)


def test_names_and_titles_cannot_break_out(renderer):
    family = HEAD.families["pca_all"]
    panel = replace(family.panel, names=(NASTY, *family.panel.names[1:]))
    head = Head("planted", {"pca_all": Family(family.rig, panel)}, HEAD.template)
    page = page_of(head, renderer, title="<i>demo</i>")
    assert "</script><b>" not in page
    assert "<i>demo" not in page
    header = json.loads(re.search(r'id="header">(.*?)</script>', page, re.DOTALL)[1])
    assert header["families"][0]["names"][0] == NASTY


def test_the_same_head_gives_the_same_bytes(renderer):
    assert page_of(HEAD, renderer) == page_of(HEAD, renderer)


def test_cost_terms_and_licenses_are_in_the_page(renderer):
    page = page_of(HEAD, renderer)
    assert "mm" in page
    assert "dB" in page
    assert "On terms." in page
    assert "License of &lt;three&gt;" in page


def test_the_header_says_whose_gaussians_follow_the_skin():
    for skin in (False, True):
        head = heads.head(1, skin=skin)
        header, _ = header_of(head, pack_head(head, 1.0), planted.cameras(2), {})
        assert {family["name"]: family["follows"] for family in header["families"]} == {
            "pca_all": False, "sldc_gauss_xyz": skin
        }  # fmt: skip
        assert ("skin_rest" in header["arrays"]) == skin


def test_an_archive_without_a_member_is_refused(tmp_path):
    path = tmp_path / "renderer.zip"
    zipfile.ZipFile(path, "w").close()
    with pytest.raises(InputError, match="delete it and run again"):
        page_of(HEAD, path)

"""What the page makes of its bytes, and what it says when they are damaged."""

import base64
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pytest

from splatrig.control.web.pack import BITS, PackedHead, pack_head
from splatrig.control.web.page import header_of
from support import heads
from support.web_page import CAMERAS, READY, Opened

WITH_FREE = heads.subdivided_head()
PACKED = pack_head(WITH_FREE, 1.0)
HEADER, BLOB = header_of(WITH_FREE, PACKED, CAMERAS, {})
UNPACK = """async ([header, text]) => {
    const { unpackColumns, unpackComponents, unpackRows } = await import("splatrig/unpack.js");
    const { buffer } = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const { xyz, fine, faint } = unpackComponents(header, buffer);
    const shN = unpackRows(header, buffer, "shN", { width: 45, bits: 8 });
    const found = { xyz, fine, shN, faint: faint ?? [0] };
    for (const name of Object.keys(header.columns)) found[name] = unpackColumns(header, buffer, name);
    return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, Array.from(values)]));
}"""


def unpacked(opened: Opened, header: dict, blob: bytes) -> dict[str, list[float]]:
    found: dict[str, list[float]] = opened.page.evaluate(UNPACK, [header, base64.b64encode(blob).decode()])
    return found


def found_in(packed: PackedHead, fields: list[str]) -> np.ndarray:
    return np.stack([np.concatenate([one.found[field] for field in fields], axis=1) for one in packed.components])


def test_the_page_finds_what_was_packed_to_the_bit(opened):
    found = unpacked(opened, HEADER, BLOB)
    first, *fine, faint = BITS
    assert np.array_equal(found["xyz"], found_in(PACKED, [first]).ravel())
    assert np.array_equal(found["fine"], found_in(PACKED, fine).ravel())
    assert faint == "logit_opacities" and found["faint"] == [0]  # which nothing moves here
    assert np.array_equal(found["shN"], PACKED.shN.ravel())
    for name, columns in PACKED.base.items():
        np.testing.assert_allclose(found[name], columns.values().ravel(), rtol=1e-6, atol=1e-5, err_msg=name)


def test_bytes_that_are_missing_are_missed_in_a_sentence(opened):
    with pytest.raises(Exception, match=r"This page is damaged: it holds \d+ bytes of the head, expected at least"):
        unpacked(opened, HEADER, BLOB[: len(BLOB) // 2])


@pytest.mark.parametrize(
    "name", ["basis_means_kept", "basis_means_low", "basis_means_high", "basis_sh0_kept", "sh0_low"]
)
def test_numbers_that_do_not_fit_are_named(opened, name):
    place = HEADER["arrays"][name]
    fewer = HEADER | {"arrays": HEADER["arrays"] | {name: place | {"count": place["count"] - 1}}}
    with pytest.raises(Exception, match=f"This page is damaged: .*of {name.rpartition('_')[0]}"):
        unpacked(opened, fewer, BLOB)


def changed(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


@pytest.mark.parametrize(("damage", "said"), [("changed", "cannot be unpacked"), ("cut", "its end is missing")])
def test_a_damaged_page_says_so(page_in_browser, tmp_path, damage, said):
    text = Path(url2pathname(urlparse(page_in_browser.page.url).path)).read_text(encoding="utf-8")
    place = text.index('id="head">') + 400
    path = tmp_path / "head.html"
    path.write_text(changed(text, place) if damage == "changed" else text[:place], encoding="utf-8")
    page = page_in_browser.page.context.browser.new_page(offline=True)
    try:
        page.goto(path.as_uri())
        page.wait_for_selector(READY)
        message = page.locator("#message")
        assert said in message.inner_text()
        assert message.get_attribute("class") == "error"
    finally:
        page.close()

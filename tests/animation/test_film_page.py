import base64
import re

import numpy as np

from splatrig.animation.film_page import write_film_page
from splatrig.animation.pictures import write_mp4
from support import browser


def test_a_page_holds_its_film_and_asks_for_nothing_else(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\x00film\xff")
    write_film_page(tmp_path / "a.html", tmp_path / "a.mp4", 'E001 <b> & "smile"')
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert base64.b64decode(re.search(r'src="data:video/mp4;base64,([^"]*)"', text)[1]) == b"\x00film\xff"
    assert "E001 &lt;b&gt; &amp; &quot;smile&quot;" in text
    assert text.count("src=") == 1


def test_a_browser_plays_it(tmp_path):
    write_mp4(tmp_path / "a.mp4", [np.full((32, 48, 3), 20 * number, np.uint8) for number in range(12)])
    write_film_page(tmp_path / "a.html", tmp_path / "a.mp4", "a film")
    with browser.chromium() as chromium:
        page = chromium.new_page(offline=True)
        page.goto((tmp_path / "a.html").as_uri())
        page.wait_for_function("document.querySelector('video').currentTime > 0.05")
        assert page.evaluate("document.querySelector('video').videoWidth") == 48

"""A headless Chromium with software WebGL, for tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox")

_running: list[tuple[Any, list[Any]]] = []
"""The driver and its browsers, while there are any: a thread can have no second driver."""


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """Yield a browser of playwright; skip, with the line that installs what is missing, where there is none."""
    program = next((path for path in map(shutil.which, NAMES) if path), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install -y chromium")
    driver = pytest.importorskip("playwright.sync_api", reason="no playwright: make .venv/.dev")
    if not _running:
        _running.append((driver.sync_playwright().start(), []))
    playwright, browsers = _running[0]
    browser = playwright.chromium.launch(executable_path=program, args=[*SOFTWARE_GL, *flags])
    browsers.append(browser)
    try:
        yield browser
    finally:
        browser.close()
        browsers.remove(browser)
        if not browsers:
            _running.clear()
            playwright.stop()

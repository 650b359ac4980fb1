from collections.abc import Iterator

import pytest

from support import browser
from support.web_page import HEAD, PANEL, READY, STAGE, Opened, write_page


@pytest.fixture(scope="package")
def page_in_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of the planted head; opened once, for opening takes longer than all that is done with it."""
    path = tmp_path_factory.mktemp("web") / "head.html"
    write_page(HEAD, path)
    with browser.chromium() as chromium:
        page = chromium.new_page(viewport={"width": STAGE + PANEL, "height": STAGE}, offline=True)
        page.set_default_timeout(60_000)
        found = Opened(page)
        page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(READY)
        yield found


@pytest.fixture
def opened(page_in_browser: Opened) -> Iterator[Opened]:
    """The page at rest; whatever is done with it must leave no error on its console."""
    page_in_browser.to_rest()
    yield page_in_browser
    assert page_in_browser.errors == []

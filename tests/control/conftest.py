from collections.abc import Iterator

import pytest

from support.web_page import HEAD, Opened, opened_in_browser, write_page


@pytest.fixture(scope="package")
def page_in_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of the planted head; opened once, for opening takes longer than all that is done with it."""
    path = tmp_path_factory.mktemp("web") / "head.html"
    write_page(HEAD, path)
    with opened_in_browser(path.as_uri(), offline=True) as found:
        yield found


@pytest.fixture
def opened(page_in_browser: Opened) -> Iterator[Opened]:
    """The page at rest; whatever is done with it must leave no error on its console."""
    page_in_browser.to_rest()
    yield page_in_browser
    assert page_in_browser.errors == []

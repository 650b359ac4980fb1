"""Where tests run when several processes share them, by `pytest -n`."""

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent


class _ByFolder(LoadScopeScheduling):
    """Keeps a folder in one process, which sets up once what they share: a browser, a run of the pipeline."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::")[0].split("/")[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _ByFolder:
    """Give out folders in the order of collection."""
    config.option.loadscopereorder = False
    return _ByFolder(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the folder that takes as long as all others together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: TESTS / "workflow" not in item.path.parents)

"""Where tests run when several processes share them, by `pytest -n`."""

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent


BEGIN_WITH = ("test_slurm.py", "test_faults.py", "test_extending.py", "test_bad_input.py")
"""Of `tests/workflow`: what takes longest, in this order."""


class _ByPlace(LoadScopeScheduling):
    """Keeps a folder in one process, which sets up once what its tests share, as a browser; in `workflow` a file."""

    def _split_scope(self, nodeid: str) -> str:
        folder, _, rest = nodeid.split("::")[0].removeprefix("tests/").partition("/")
        return f"{folder}/{rest}" if folder == "workflow" else folder


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> _ByPlace:
    """Give out places in the order of collection."""
    config.option.loadscopereorder = False
    return _ByPlace(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that all processes end together: runs of the pipeline, then benchmarks."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    """Return where a test's place stands in the order."""
    name = item.path.name
    if TESTS / "workflow" in item.path.parents:
        return 0, BEGIN_WITH.index(name) if name in BEGIN_WITH else len(BEGIN_WITH)
    return (1, 0) if item.path.parent == TESTS else (2, 0)

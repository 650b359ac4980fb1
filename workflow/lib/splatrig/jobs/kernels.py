"""Compiled kernels that are cached on disk where possible, and compiled again where it is not.

numba alone ends a program if neither the sources nor the home can be written, a cache file is truncated, or the disk is
full, although only the seconds of compiling are lost.
"""

import logging
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

logger = logging.getLogger(__name__)


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function by numba's `njit` with `options` and caches the machine code.

    The cache is in the folder that NUMBA_CACHE_DIR names; else next to the module, in `__pycache__`; else below the
    user's home; else in a folder of this user below the machine's temporary one; else only in memory.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        kernel = njit(**options)(function)
        if hasattr(kernel, "py_func"):  # with NUMBA_DISABLE_JIT it is the plain function
            try:
                kernel._cache = _Cache(function)
            except RuntimeError:  # no folder can be written
                logger.info("%s is compiled by every process: no cache folder is writable", function.__name__)
        return kernel

    return compiled


class _BelowHome(UserWideCacheLocator):
    """The user's cache folder, of users who have a home."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        """Return the cache folder of a function, or None if it is not writable."""
        try:
            Path.home()
        except RuntimeError:  # for a user without a home numba would create a folder named ~
            return None
        return super().from_function(py_func, py_file)


class _BelowTemporary(UserWideCacheLocator):
    """A folder of this user below the machine's temporary one; nobody else may write, as its files are executed."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        folder = Path(tempfile.gettempdir()) / f"splatrig-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(f"{folder} is not this user's alone")
        self._cache_path = str(folder / self.get_suitable_cache_subpath(py_file))

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        """Return the cache folder of a function, or None if it is not writable."""
        try:
            return super().from_function(py_func, py_file)
        except OSError:
            return None


class _Places(CompileResultCacheImpl):
    _locator_classes = [UserProvidedCacheLocator, InTreeCacheLocator, _BelowHome, _BelowTemporary]  # noqa: RUF012  as numba's


class _Cache(FunctionCache):
    """Cache of one function that ignores all errors of reading and writing."""

    _impl_class = _Places

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for a signature, or None if none can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # a truncated file can raise anything
            logger.info("%s: the cached kernel %s cannot be read (%r); it is compiled again", *self._named(), error)
            self._quietly(self.flush)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save the machine code for a signature, if there is space."""
        self._quietly(super().save_overload, sig, data)

    def _quietly(self, write: Callable[..., None], *arguments: Any) -> None:
        try:
            write(*arguments)
        except Exception as error:  # errors of the disk, or of a truncated index that cannot be replaced
            logger.info("%s: the kernel %s is not cached there (%s)", *self._named(), error)

    def _named(self) -> tuple[str, str]:
        return str(self.cache_path), str(self._py_func.__name__)

"""The error class that users see, and plain words for errors of the operating system."""

import errno
import os

REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room in your quota",
    errno.EROFS: "make the folder writable",
    errno.EACCES: "give yourself the right to it",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ESTALE: "see that the file server answers",
    errno.EIO: "see that the disk is sound",
}
"""Advice on errors of the operating system, by error number."""


class InputError(ValueError):
    """Bad input, reported in one sentence: what, where, got, expected, what to do."""


def refusal(where: object, number: int) -> str:
    """Return the sentence about an error of the operating system with this number, and what to do."""
    remedy = REMEDIES.get(number, "see to it")
    return f"{where}: {os.strerror(number)}; {remedy}, then run the same command again."

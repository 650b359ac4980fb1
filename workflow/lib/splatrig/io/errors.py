"""The one error that users are meant to read, and the machine's own errors in words."""

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
"""What to do about errors that come from the machine, and not from splatrig, by their number."""


class InputError(ValueError):
    """Report bad input in one sentence: what, where, got, expected, what to do."""


def refusal(where: object, number: int) -> str:
    """Return the sentence about what the machine refused with the error of that number, and what to do."""
    remedy = REMEDIES.get(number, "see to it")
    return f"{where}: {os.strerror(number)}; {remedy}, then run the same command again."

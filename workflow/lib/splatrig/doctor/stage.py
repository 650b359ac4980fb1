"""Jobs of the doctor: examine a capture and write the report; then admit the capture or not."""

import logging
from collections.abc import Sequence
from pathlib import Path

from splatrig.config.choices import Background, Doctor
from splatrig.doctor.page import read_sentences, write_page, write_verdicts
from splatrig.doctor.subject import open_subject
from splatrig.doctor.verdicts import FINE, LOOK, WRONG, Rank, Verdict, camera_lines, judge
from splatrig.io.errors import InputError

logger = logging.getLogger(__name__)


def report(
    cameras: str | Path,
    names: Sequence[str],
    neutral: str,
    check: str | Path,
    background: Background,
    *,
    page: str | Path,
    verdicts: str | Path,
    title: str,
    threads: int,
) -> None:
    """Examine frames of a data set; write the page and its verdicts.

    Faults and doubts are also logged.

    Args:
        cameras: The data set's file of cameras.
        names: Frames as `expression/frame`.
        neutral: Name of the neutral frame.
        check: Result of checking the neutral's landmarks, a JSON file.
        background: `capture.background`; masks are examined if mattes come from them.
        page: The HTML file to write.
        verdicts: The JSON file to write.
        title: Title of the page.
        threads: Number of frames that are read at a time.
    """
    subject = open_subject(cameras, names)
    scores, digests = subject.scores(threads)
    found = judge(subject, scores, digests, masks=background == "masks")
    wrong, odd = read_sentences(check)
    of_landmarks = [_line(WRONG, sentence) for sentence in wrong] + [_line(LOOK, sentence) for sentence in odd]
    if not of_landmarks:
        of_landmarks = [
            Verdict(FINE, "landmarks", f"the face of {neutral} lies on its tracked mesh, where it was seen")
        ]
    lines = camera_lines(subject, scores, found)
    general = [*of_landmarks, *(verdict for verdict in found if verdict not in lines)]
    for verdict in found:
        logger.warning("%s: %s", verdict.rank, verdict.sentence)
    write_page(page, title, subject, general, lines, names.index(neutral))
    write_verdicts(verdicts, [*general, *lines])


def _line(rank: Rank, sentence: str) -> Verdict:
    """Return the verdict of a sentence that begins with its subject."""
    where, _, why = sentence.rstrip(".").partition(": ")
    return Verdict(rank, where, why)


def admit(examination: str | Path, doctor: Doctor) -> None:
    """Raise InputError with the first definite fault of an examination; only log it if `doctor` is `warn`."""
    wrong, _ = read_sentences(examination)
    if not wrong:
        return
    if doctor == "stop":
        more = f" ({len(wrong) - 1} more like that: snakemake capture_report)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{more}")
    for sentence in wrong:
        logger.warning("cannot be right, but the run continues (capture.doctor: warn): %s", sentence)

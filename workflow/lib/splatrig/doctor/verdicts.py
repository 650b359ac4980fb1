"""Verdicts on a capture from its scores, one per line.

A photograph cannot be right if another explanation fits clearly better: another frame's mesh, another calibration,
equal photographs of a head that moves. A photograph that only fits worse than usual is worth a look. Thresholds were
chosen on the demo's first person, whose values are given next to them; they are differences, since the amount of detail
varies between skins.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatrig.doctor.looks import MOMENTS
from splatrig.doctor.scores import Scores
from splatrig.doctor.subject import Subject

Rank = Literal["fine", "look at it", "cannot be right"]
RANKS: tuple[Rank, ...] = ("fine", "look at it", "cannot be right")
FINE, LOOK, WRONG = RANKS

_BETTER, _FAR_BETTER = 0.05, 0.1
"""Lead of another frame's mesh over the own one: at most 0.00 in a correct capture (0.01 with 0.5 mm of noise on the
meshes)."""
_LATE = 0.03
"""The same for the median of a camera's photographs: at most -0.11 in a correct capture, 0.19 if the camera is late."""
_FEWEST = 3
"""Least number of photographs by which a camera counts as late."""
_WORSE, _FAR_WORSE = 0.2, 0.35
"""Deficit of a photograph against its camera's others, beyond that of its frame: at most 0.12 in a correct capture."""
_STRANGE_FRAME = 0.15
"""The same for a frame, in the median of its cameras: at most 0.09."""
_STRANGE_CAMERA = 0.35
"""Deficit of a camera's agreement with the others against the median camera: at most 0.15."""
_STRANGE_CAPTURE = 0.4
"""Median agreement of all cameras below which another calibration is tried: 0.83 in a correct capture."""
_STRANGERS = 0.25
"""Agreement below which a camera is named even if nothing else fits better."""
_RIGHT = 0.2
"""Gain in agreement between cameras that identifies another calibration as the right one."""
_FACTORS = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 0.8, 1.25, 4 / 3, 1.5, 2.0, 3.0, 4.0)
"""Sizes of photographs, relative to those of the calibration, that are tried."""
_MOVED_PX = 0.3
"""Motion of the head in pixels of the photographs that must change their pixels: at least 0.4 from frame to frame."""
_PART, _HALF = 0.9, 0.5
"""Fractions of the mesh that a mask covers, relative to the camera's usual one."""
_MOST_PHOTOGRAPHS, _MOST_FRAMES = 30, 10
"""Maximum numbers of photographs and frames whose moment is searched in all frames; if more are odd, something else is
wrong."""
_MOST_CAMERAS = 5
"""Maximum number of cameras with which the moment of a frame is searched."""


@dataclass(frozen=True)
class Verdict:
    """One line of the report."""

    rank: Rank
    where: str
    """Subject of the verdict: `camera 400002`, `frame E001/000102`, or both; `KRT`."""
    why: str
    """A sentence without the full stop."""
    camera: int | None = None
    """Number of the camera, if it is about one."""
    frame: int | None = None
    """Number of the frame, if it is about one, or one shows it."""

    @property
    def sentence(self) -> str:
        """Text of the verdict as in messages."""
        return f"{self.where}: {self.why}."


def judge(subject: Subject, scores: Scores, digests: Sequence[Sequence[str]], *, masks: bool) -> list[Verdict]:
    """Return the faults and doubts of a capture, most general first; none if all is fine.

    `digests` are those of the photographs, F of C; `masks` says that mattes are the capture's masks and do not come
    from meshes.
    """
    calibration = [*_calibration(subject, scores)]
    if calibration:
        return calibration
    late = [*_late(subject, scores)]
    cameras = [*_frozen(subject, digests, {verdict.camera for verdict in late})]
    for group in (late, [*_cameras(subject, scores)]):  # an earlier verdict explains the later ones of its camera
        known = {verdict.camera for verdict in cameras}
        cameras += [verdict for verdict in group if verdict.camera not in known]
    frames = [*_frames(subject, scores)]
    left = np.ones(scores.own.shape, dtype=bool)
    left[:, [verdict.camera for verdict in cameras if verdict.camera is not None]] = False
    left[[verdict.frame for verdict in frames if verdict.frame is not None]] = False
    photographs = [*_photographs(subject, scores, left), *(_masks(subject, scores, left) if masks else ())]
    return [*cameras, *frames, *photographs]


def _calibration(subject: Subject, scores: Scores) -> Iterator[Verdict]:
    """Yield the doubt about the calibration of all cameras."""
    alike = _middle(scores.shared)
    if not alike < _STRANGE_CAPTURE:
        return
    Ks = subject.cameras.Ks
    better = {factor: _middle(subject.sharing(_resized(Ks, factor))) for factor in _FACTORS}
    best = max(better, key=lambda factor: np.nan_to_num(better[factor], nan=-1.0))
    if better[best] > alike + _RIGHT:
        yield Verdict(
            WRONG,
            "KRT",
            f"the calibration is for photographs {1 / best:.3g} times as large; corrected, all cameras see the same "
            f"skin on the tracked meshes (correlation {better[best]:.2f} instead of {alike:.2f}): provide the "
            f"photographs that were calibrated, or multiply fx, fy, cx and cy of every camera by {best:.4g}",
        )
    elif alike < _STRANGERS:
        yield Verdict(
            LOOK,
            "KRT",
            f"the cameras see different skin on the tracked meshes (correlation {alike:.2f}, expected 0.5 and more): "
            "calibration and meshes may be of another day, or the photographs lack detail",
        )


def _cameras(subject: Subject, scores: Scores) -> Iterator[Verdict]:
    """Yield the cameras that disagree with the others about the skin."""
    alike = _middle(scores.shared)
    for camera in np.flatnonzero(scores.shared < alike - _STRANGE_CAMERA):
        own, tried = scores.shared[camera], {}
        for factor in _FACTORS:
            Ks = subject.cameras.Ks.copy()
            Ks[camera] = _resized(Ks[[camera]], factor)[0]
            tried[factor] = np.nan_to_num(subject.sharing(Ks)[camera], nan=-1.0)
        best = max(tried, key=lambda factor: tried[factor])
        where = f"camera {subject.cameras.names[camera]}"
        if tried[best] > max(own + _RIGHT, alike - _STRANGE_CAMERA):
            why = (
                f"its calibration is for photographs {1 / best:.3g} times as large; corrected, it agrees with the "
                f"other cameras (correlation {tried[best]:.2f} instead of {own:.2f}): multiply its fx, fy, cx and cy "
                f"by {best:.4g}"
            )
            yield Verdict(WRONG, where, why, int(camera))
        else:
            why = (
                f"it disagrees with the other cameras about the skin (correlation {own:.2f}, median {alike:.2f}): it "
                "may have moved after the calibration, or its photographs may be those of another camera"
            )
            yield Verdict(LOOK, where, why, int(camera))


def _late(subject: Subject, scores: Scores) -> Iterator[Verdict]:
    """Yield the cameras whose photographs fit the meshes before, or after, better than those of their frames."""
    for camera, name in enumerate(subject.cameras.names):
        gains = scores.shifted[:, camera] - scores.unshifted[:, camera]
        gains[(scores.compared[:, camera] < _FEWEST) | np.isnan(gains)] = -np.inf
        gains[0] = -np.inf
        row = int(gains.argmax())
        if gains[row] > _LATE and scores.shifted[row, camera] > _middle(scores.usual) - _WORSE:
            late = MOMENTS[row] < 0
            why = (
                f"it is {'late' if late else 'early'} by a frame: its photographs fit the tracked meshes just "
                f"{'before' if late else 'after'} their own better (correlation {scores.shifted[row, camera]:.2f} "
                f"against {scores.unshifted[row, camera]:.2f} in {scores.compared[row, camera]} frames); shift them, "
                "or leave the camera out (capture.cameras)"
            )
            yield Verdict(WRONG, f"camera {name}", why, camera)


def _frozen(subject: Subject, digests: Sequence[Sequence[str]], shifted: set[int | None]) -> Iterator[Verdict]:
    """Yield the cameras, and the frames, with equal photographs although the head has moved.

    A camera that is `shifted` in time may lack its first photograph and have the second one twice instead.
    """
    count = len(subject.cameras)
    equal = [_equal_frames([row[camera] for row in digests]) for camera in range(count)]
    pairs = Counter((frames[0], other) for groups in equal for frames in groups for other in frames[1:])
    doubled = {pair for pair, cameras in pairs.items() if cameras > max(count / 2, 1)}
    for one, other in sorted(doubled):
        moved = max(subject.motion(one, other, camera) for camera in range(count)) * subject.height
        if moved > _MOVED_PX:
            why = (
                f"{pairs[one, other]} of {count} cameras have the same photographs as in {subject.names[one]}, but the "
                f"tracked mesh moves by {moved:.2g} pixels in between; copy those of the one or the other again"
            )
            yield Verdict(LOOK, f"frame {subject.names[other]}", why, frame=other)
    for camera, name in enumerate(subject.cameras.names):
        for frames in equal[camera]:
            others = [other for other in frames[1:] if (frames[0], other) not in doubled]
            if not others or (camera in shifted and len(others) == 1):
                continue
            moved = max(subject.motion(frames[0], other, camera) for other in others) * subject.height
            names = ", ".join(subject.names[frame] for frame in [frames[0], *others][:4])
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            equal_ones = f"its photographs of {names}{more} are equal, pixel by pixel, but "
            if moved > _MOVED_PX:
                why = (
                    f"{equal_ones}the tracked mesh moves by {moved:.2g} pixels in between: the camera froze, or a "
                    "photograph was copied; leave out these frames, or the camera (capture.cameras)"
                )
                yield Verdict(WRONG, f"camera {name}", why, camera, others[0])
            else:
                why = f"{equal_ones}those of other cameras are not: did the camera freeze?"
                yield Verdict(LOOK, f"camera {name}", why, camera, others[0])


def _equal_frames(digests: Sequence[str]) -> list[list[int]]:
    """Return the groups of frames with equal digests, each sorted; missing photographs equal none."""
    groups: dict[str, list[int]] = defaultdict(list)
    for frame, digest in enumerate(digests):
        if digest:
            groups[digest].append(frame)
    return [frames for frames in groups.values() if len(frames) > 1]


def _frames(subject: Subject, scores: Scores) -> Iterator[Verdict]:
    """Yield the frames whose photographs fit another mesh in most cameras."""
    drops = _medians(scores.own - scores.usual)
    gains = np.stack([_medians(each - scores.own) for each in scores.alike[1:]])
    gains = np.nan_to_num(gains, nan=-1.0)
    odd = np.flatnonzero((drops < -_STRANGE_FRAME) | (gains.max(axis=0) > _BETTER))
    yield from _left_out(len(odd) - _MOST_FRAMES, "frames")
    for frame in odd[np.argsort(drops[odd])][:_MOST_FRAMES]:
        name = f"frame {subject.names[frame]}"
        copy = subject.copy_of(int(frame))
        if copy is not None:
            why = (
                f"its tracked mesh and pose are those of {subject.names[copy]}, which its photographs do not fit "
                f"(correlation lower than that of other frames by {-drops[frame]:.2f}); give its own, or remove the "
                "frame"
            )
            yield Verdict(WRONG, name, why, frame=int(frame))
            continue
        cameras = np.argsort(-np.nan_to_num(scores.usual, nan=-1.0), kind="stable")[:_MOST_CAMERAS].tolist()
        fits = _medians(subject.fits(int(frame), cameras, scores.usual_looks))
        best = int(np.nan_to_num(fits, nan=-1.0).argmax())
        well = fits[best] > _middle(scores.usual) - _WORSE
        if best != frame and well and fits[best] > fits[frame] + _FAR_BETTER:
            why = (
                f"its photographs, of most cameras, fit the tracked mesh of {subject.names[best]} better than its own "
                f"(correlation {fits[best]:.2f} against {fits[frame]:.2f}): mesh, pose or photographs are of another "
                "moment; give those that belong together, or remove the frame"
            )
            yield Verdict(WRONG, name, why, frame=int(frame))
        elif drops[frame] < -_FAR_WORSE:
            why = (
                f"its photographs, of most cameras, show other skin at the places of its tracked mesh than those of "
                f"other frames do (correlation lower by {-drops[frame]:.2f}): was the tracking lost?"
            )
            yield Verdict(LOOK, name, why, frame=int(frame))


def _photographs(subject: Subject, scores: Scores, left: NDArray[np.bool_]) -> Iterator[Verdict]:  # [F, C]
    """Yield those of the photographs `left` that fit another frame's mesh, or are unlike all others of their camera."""
    own = scores.own
    usually = np.minimum(np.nan_to_num(_medians(own - scores.usual)), 0.0)[:, None]
    drops = np.nan_to_num(own - scores.usual - usually)
    gains = scores.alike - own
    gains = np.nan_to_num(np.minimum(gains, gains - _medians(gains)[..., None]), nan=-1.0)
    rows, best = gains[1:].argmax(axis=0) + 1, gains[1:].max(axis=0)
    odd = np.argwhere(left & ((drops < -_WORSE) | (best > _BETTER)))
    order = np.argsort(np.minimum(drops, -best)[tuple(odd.T)], kind="stable")
    yield from _left_out(len(odd) - _MOST_PHOTOGRAPHS, "photographs")
    for frame, camera in odd[order][:_MOST_PHOTOGRAPHS].tolist():
        where = f"camera {subject.cameras.names[camera]}, frame {subject.names[frame]}"
        fits = subject.fits(frame, [camera], scores.usual_looks)[:, 0]
        other = int(np.nan_to_num(fits, nan=-1.0).argmax())
        here, there = own[frame, camera], fits[other]
        known = f"the tracked mesh of {subject.names[other]}"
        beside = scores.alike[rows[frame, camera], frame, camera]
        if not there > beside:
            side = "before" if MOMENTS[rows[frame, camera]] < 0 else "after"
            there, other, known = beside, -1, f"the tracked mesh just {side} it"
        well = there > scores.usual[camera] - _WORSE
        if other != frame and well and there > here + _FAR_BETTER:
            why = f"the photograph is of another moment: it fits {known} better than its own (correlation {there:.2f} "
            why += f"against {here:.2f}); copy it again, or remove it"
            yield Verdict(WRONG, where, why, camera, frame)
        elif other != frame and there > here + _BETTER:
            why = f"the photograph fits {known} better than its own (correlation {there:.2f} against {here:.2f})"
            yield Verdict(LOOK, where, why, camera, frame)
        elif drops[frame, camera] < -_FAR_WORSE:
            why = (
                f"the photograph shows other skin at the places of the tracked mesh than this camera's others do "
                f"(correlation {here:.2f}, median {scores.usual[camera]:.2f})"
            )
            yield Verdict(LOOK, where, why, camera, frame)


def _left_out(count: int, what: str) -> Iterator[Verdict]:
    """Yield one verdict that counts further frames or photographs that fit worse than usual."""
    if count > 0:
        why = f"{count} more {what} fit their tracked meshes worse than usual and were not looked into"
        yield Verdict(LOOK, "tracked_mesh", why)


def _masks(subject: Subject, scores: Scores, left: NDArray[np.bool_]) -> Iterator[Verdict]:  # [F, C]
    """Yield those of the photographs `left` whose mask covers less of the tracked mesh than usual in their camera."""
    usual = _medians(scores.inside.T)
    for camera, name in enumerate(subject.cameras.names):
        lacking = left[:, camera] & (scores.inside[:, camera] < _PART * usual[camera])
        for frame in np.flatnonzero(lacking).tolist():
            part = scores.inside[frame, camera]
            why = (
                f"the mask has {100 * part:.0f} % of the tracked mesh, those of this camera usually "
                f"{100 * usual[camera]:.0f} %"
            )
            rank = WRONG if part < _HALF * usual[camera] else LOOK
            advice = "; make it again, or remove it and the photograph" if rank == WRONG else ""
            yield Verdict(rank, f"camera {name}, frame {subject.names[frame]}", why + advice, camera, frame)


def camera_lines(subject: Subject, scores: Scores, found: Sequence[Verdict]) -> list[Verdict]:
    """Return a line for each camera: its worst verdict, or that it is fine."""
    lines = []
    for camera, name in enumerate(subject.cameras.names):
        own = [verdict for verdict in found if verdict.camera == camera]
        if own:
            lines.append(max(own, key=lambda verdict: RANKS.index(verdict.rank)))
            continue
        count = int(np.isfinite(scores.own[:, camera]).sum())
        seen = f"{count} photographs fit their tracked meshes (correlation {scores.usual[camera]:.2f})"
        blind = "it sees too little of the tracked mesh to be compared"
        lines.append(Verdict(FINE, f"camera {name}", seen if count else blind, camera))
    return lines


def _resized(Ks: NDArray[np.float64], factor: float) -> NDArray[np.float64]:  # [C, 3, 3] both
    """Return the intrinsics of photographs `factor` times as large."""
    return np.diag([factor, factor, 1.0]) @ Ks


def _middle(values: NDArray[np.float64]) -> float:
    """Return the median of [C] without NaN; NaN if all are NaN."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:  # [..., C] -> [...]
    """Return the medians over the last axis without NaN; NaN if all are NaN."""
    known = np.asarray(np.isfinite(values).any(axis=-1))
    filled = np.where(known[..., None], values, 0.0)
    return np.where(known, np.nanmedian(filled, axis=-1), np.nan)

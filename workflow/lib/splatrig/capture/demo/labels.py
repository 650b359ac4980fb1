"""Labels of the demo's photographs: the ray tracer knows which part of the head each ray meets."""

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.demo.hair import scalp
from splatrig.capture.demo.head import EYES, MOUTH, SOCKETS, TEETH, TONGUE, FineHead, HeadModel
from splatrig.capture.demo.lashes import Lashes
from splatrig.capture.demo.strands import Strands
from splatrig.capture.labels import LABELS
from splatrig.dataset.regions import Region
from splatrig.jobs.kernels import cached_njit

SKIN, IN_MOUTH, IN_EYES, HAIR = map(LABELS.index, (Region.SKIN, Region.MOUTH, Region.EYES, Region.HAIR))


def triangle_labels(head: HeadModel, fine: FineHead, hair: Strands, lashes: Lashes) -> NDArray[np.uint8]:  # [t]
    """Return the label of each triangle of a head that `splatrig.capture.demo.render.pose_head` has prepared.

    Lashes are part of the eyes, and the scalp between the strands is part of the hair.
    """
    own = np.full(len(fine.triangles), SKIN, dtype=np.uint8)
    own[np.isin(fine.triangle_parts, (MOUTH, TEETH, TONGUE))] = IN_MOUTH
    own[np.isin(fine.triangle_parts, (SOCKETS, EYES))] = IN_EYES
    own[scalp(head, fine)] = HAIR
    lash_triangles = lashes.posed(fine.operator @ head.neutral).triangles
    counts = [(HAIR, len(hair.triangles)), (IN_EYES, len(lash_triangles))]
    return np.concatenate([own, *(np.full(count, label, dtype=np.uint8) for label, count in counts)])


def label_pixels(
    met: NDArray[np.int32],  # [H, W, samples] triangle of each ray, -1 for none
    labels: NDArray[np.uint8],  # [t]
) -> NDArray[np.uint8]:  # [H, W]
    """Return the label of most of the rays of a pixel that meet something; of equally many, the last of `LABELS`."""
    return _vote(met.reshape(-1, met.shape[2]), labels, len(LABELS)).reshape(met.shape[:2])


@cached_njit()
def _vote(triangle_of, label_of, count):  # type: ignore[no-untyped-def]
    """Return the labels [pixels] for the triangles [pixels, samples] that rays met."""
    labels = np.zeros(triangle_of.shape[0], dtype=np.uint8)
    votes = np.zeros(count, dtype=np.int64)
    for pixel in range(triangle_of.shape[0]):
        votes[:] = 0
        for triangle in triangle_of[pixel]:
            if triangle >= 0:
                votes[label_of[triangle]] += 1
        most = 0
        for label in range(count):
            if votes[label] > 0 and votes[label] >= most:
                most, labels[pixel] = votes[label], label
    return labels

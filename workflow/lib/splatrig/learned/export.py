"""Export a learned rig as `Components`, with the base that they move."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTE_OF, Columns, field_size
from splatrig.components.matrix import scale_of
from splatrig.fitting.trainable_rig import TrainableRig


@dataclass(frozen=True)
class TrainedOn:
    """Data that a rig was learned on."""

    frames: tuple[str, ...]
    """Names `expression/frame` of the F frames, in the row order of the weights."""
    faces: NDArray[np.int64]  # [T, 3]
    face_mask: NDArray[np.bool_]  # [N]


def export_rig(rig: TrainableRig, trained: TrainedOn, *, bounded: bool) -> Components:
    """Return the components of a learned rig with its gauge fixed.

    Free weights: components are orthonormal in standardized units, sorted by decreasing variance, with a positive
    largest entry. Weights in [0, 1]: the largest weight of every component is 1, sorted by decreasing motion.
    Components whose weight of 1 has a meaning keep their scale, order and names: blendshapes, and those that rotate
    eyes, which come last.
    """
    dense = rig.dense().cpu().numpy()
    W = rig.weights.detach().cpu().numpy().astype(np.float64)
    base = rig.gaussians(np.zeros(rig.count))
    fields, (k, count) = rig.driven, dense.shape[:2]
    center = W.mean(axis=0)
    covariance = (W - center).T @ (W - center)
    columns, scales, rests, first = [], [], [], 0
    for name in fields:
        raw = dense[:, :, first : first + field_size(name)].reshape(k, count * field_size(name))
        first += field_size(name)
        rest = getattr(base, name).reshape(-1).astype(np.float64)
        squares = float((covariance * (raw.astype(np.float64) @ raw.T)).sum())
        mean = rest + center @ raw
        scales.append(scale_of(squares, len(W) * count * field_size(name), float(np.abs(mean).max(initial=0.0))))
        columns.append(raw)
        rests.append(rest)
    std = np.repeat(np.array(scales, dtype=np.float64), [len(rest) for rest in rests])
    C = (np.concatenate(columns, axis=1) / std).astype(np.float32)
    rest = np.concatenate(rests)
    mean = rest + std * (center @ C)
    own, known, turns = rig.own, rig.blendshapes, rig.turns
    if known is None:
        fixed_W, fixed_C = _ordered_local(W[:, :own], C[:own]) if bounded else _orthonormal(W[:, :own], C[:own])
        W, C = np.concatenate([fixed_W, W[:, own:]], axis=1), np.concatenate([fixed_C, C[own:]])
    named = () if turns is None else ("",) * own + turns.names
    return Components(
        family="learned",
        W=W.astype(np.float32),
        C=C,
        mean=mean.astype(np.float32),
        std=std.astype(np.float32),
        offset=((rest - mean) / std).astype(np.float32),
        columns=Columns(tuple(ATTRIBUTE_OF[name] for name in fields), count),
        faces=trained.faces,
        face_mask=trained.face_mask,
        frames=trained.frames,
        limits=(0.0, 1.0) if bounded else None,
        names=named if known is None else known.names,
        eyes=None if turns is None else rig.turning.cpu().numpy(),
        told=None if known is None else known.told,
        base=base,
        head_motions=None if rig.poses is None else rig.poses.rigid(),
    )


def _orthonormal(W: NDArray[np.float64], C: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return W', C' with the same product, C' orthonormal, scores uncorrelated about the rest, signs fixed.

    Components that no frame uses come last and keep unit length; there are at most as many components as frames.
    """
    if not len(C):
        return W, C
    values, vectors = np.linalg.eigh((C @ C.T).astype(np.float64))
    root = np.sqrt(values.clip(min=1e-12 * max(values.max(), 1e-30)))
    scaled = W @ vectors * root
    right = np.linalg.svd(scaled, full_matrices=False)[2]
    fixed = ((right / root) @ vectors.T @ C.astype(np.float64)).astype(np.float32)
    scores = scaled @ right.T  # instead of the left vectors, so that rows of zeros stay exactly zero
    signs = np.sign(fixed[np.arange(len(fixed)), np.abs(fixed).argmax(axis=1)])
    signs[signs == 0] = 1.0
    return scores * signs, fixed * signs[:, None].astype(np.float32)


def _ordered_local(W: NDArray[np.float64], C: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return W', C' with the same product, largest weight 1, sorted by decreasing motion."""
    largest = W.max(axis=0, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    fixed_W, fixed_C = W / scale, C * scale[:, None].astype(np.float32)
    energy = (fixed_W**2).sum(axis=0) * np.square(fixed_C, dtype=np.float64).sum(axis=1)
    order = np.argsort(-energy, kind="stable")
    return fixed_W[:, order], fixed_C[order]

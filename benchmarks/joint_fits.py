"""Frames fitted one by one, and their PCA: what rigs learned through the rasteriser are compared with."""

import os

import numpy as np
from joint_bench import Bench, as_store, studio_of

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.matrix import in_memory
from splatrig.components.pca import principal_components
from splatrig.fitting.initialize import moved_by_mesh
from splatrig.fitting.trainer import Surface, fit
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import write_fitted_frames
from splatrig.learned.compare import read_fits
from splatrig.mesh.normals import vertex_rotations
from splatrig.mesh.topology import mean_edge_lengths

ATTRIBUTES_OF_FITS = ("xyz", "f_dc", "rotation", "scale")


def single_fits(bench: Bench) -> dict[str, Gaussians]:
    """Return every frame fitted on its own from the neutral, as the rules do, by `expression/frame`."""
    folder = bench.options.fits or bench.keep / "fits"
    studio = studio_of(bench.folder, bench.config, bench.device)
    level = bench.subject.template.levels[bench.subject.template.finest]
    edges = mean_edge_lengths(level.vertices, level.faces)
    plan, neutral, seconds = studio.plan("frame"), bench.subject.neutral, 0.0
    for expression, group in bench.subject.frames.groupby("expression", sort=False):
        path = folder / f"{expression}.h5"
        if path.exists():
            continue
        bench.arrived([f"{expression}/{frame}" for frame in group["frame"]])
        fits = {}
        prepared = studio.source.stream(
            str(expression), list(group["frame"]), lambda _: None, lambda data, _: data, workers=8
        )
        for data in prepared:
            if data.name == bench.subject.neutral_name:
                fits[data.frame] = neutral
                continue
            turns = vertex_rotations(level.vertices, data.vertices, level.faces)
            start = moved_by_mesh(neutral, level.vertices, data.vertices, turns)
            moved = data.to(bench.device)
            done = fit(start, moved, Surface(data.vertices, edges), plan, 0, reference_quats=neutral.quats)
            fits[data.frame], seconds = done.gaussians, seconds + done.seconds
        folder.mkdir(parents=True, exist_ok=True)
        write_fitted_frames(path, as_store(str(expression), fits))
        bench.record("fits", {"fitted": str(expression), "steps": plan.steps, "step_seconds_until_here": seconds})
    return read_fits(
        bench.subject, sorted(folder / f"{name}.h5" for name in bench.subject.frames["expression"].unique())
    )


def pca_of_fits(bench: Bench, fits: dict[str, Gaussians], k: int) -> Components:
    """Return the joint PCA of the fitted training frames about the neutral."""
    names = bench.subject.names("train")
    rows = {
        name: np.stack([getattr(fits[frame], ATTRIBUTES[name]).reshape(-1) for frame in names])
        for name in ATTRIBUTES_OF_FITS
    }
    matrix = in_memory(rows, bench.subject.neutral_row(names))
    found = principal_components(matrix, min(k, len(names) - 1), "neutral", threads=os.cpu_count() or 1)
    level = bench.subject.template.levels[bench.subject.template.finest]
    return found.standardisation.components(
        "pca", found.W, found.C, faces=level.faces, face_mask=level.mask, frames=names
    )

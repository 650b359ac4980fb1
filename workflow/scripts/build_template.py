from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.animation.mask_picture import draw_mask
from splatrig.dataset.frames import read_chosen_frames
from splatrig.landmarks.points import NOSE_TIP
from splatrig.landmarks.table import read_landmarks
from splatrig.mesh.mask import faces_inside, mask_center, write_mask
from splatrig.mesh.obj import read_obj, write_obj
from splatrig.mesh.template import build_template, write_template
from splatrig.mesh.topology import prune_unreferenced

params, output = snakemake.params, snakemake.output
table = read_chosen_frames(snakemake.input.frames)
frame = table.loc[table["neutral"], "frame"].item()
mesh = read_obj(Path(snakemake.input.dataset) / frame / f"{frame}.obj")
landmarks = read_landmarks(snakemake.input.landmarks, len(mesh.faces))
tip = landmarks.vertex(NOSE_TIP, mesh.faces) if params.center_vertex == "auto" else None
center = mask_center(mesh.vertices, mesh.faces, params.center_vertex if tip is None else tip)
logging.info("the mask lies around vertex %d%s", center, "" if tip is None else ", the nose tip of the landmarks")
marks = landmarks.marks(mesh.vertices, mesh.faces)
template = build_template(
    mesh.vertices, mesh.faces, params.subdivisions, center_vertex=center, fraction=params.fraction, marks=marks
)
write_template(output.template, template)
write_mask(output.mask, {name: level.mask for name, level in template.levels.items()}, center)
for (name, level), path in zip(template.levels.items(), output.objs, strict=True):
    pruning = prune_unreferenced(faces_inside(level.faces, level.mask), len(level.vertices))
    write_obj(path, level.vertices[pruning.kept], pruning.faces)
    vertices, masked = len(level.vertices), int(level.mask.sum())
    logging.info("%s: %d vertices, %d faces; %d vertices in the mask", name, vertices, len(level.faces), masked)
base = template.levels["base"]
title = f"face mask: {base.mask.sum()} of {len(base.mask)} vertices nearest to vertex {center}"
draw_mask(output.picture, template.levels[params.pictured], title)

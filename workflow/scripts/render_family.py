from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import numba
import numpy as np

from splatrig.animation.family import frontal_order, picture_family
from splatrig.animation.film_page import write_film_page
from splatrig.animation.heatmap import look
from splatrig.animation.pictures import write_gif, write_jpeg, write_mp4, write_png
from splatrig.animation.render import Renderer, lens_blur, picture_cameras
from splatrig.components.rig_file import open_rig
from splatrig.config.models import RenderingConfig, from_mapping
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.io.files import atomic_directory
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

numba.set_num_threads(snakemake.threads)
rendering = from_mapping(RenderingConfig, snakemake.params.rendering)
template = read_template(snakemake.input.template)
rig, pose_file = open_rig(
    snakemake.input.components,
    snakemake.input.neutral,
    template,
    Path(snakemake.input.dataset),
    follow=rendering.follow_skin,
)
photographed = read_cameras(snakemake.input.cameras).in_head_space(read_pose(pose_file))
cameras = picture_cameras(photographed, rendering.image_height)
cameras = cameras.select(frontal_order(cameras, rig.neutral.means))
shown = cameras.select([0, *np.flatnonzero(cameras.held_out[1:]) + 1])  # into the face, and where nothing was learned
finest = template.levels[template.finest]
view = look(finest.vertices, finest.faces, cameras)
pictures = picture_family(
    rig,
    shown,
    view,
    components=list(range(min(rendering.components, rig.count))),
    deviations=rendering.deviations,
    frames=rendering.animation_frames,
    renderer=Renderer(
        choose_device(snakemake.params.device, snakemake.threads),
        widen_mm2=lens_blur(photographed, rig.neutral.means.mean(axis=0), cameras),
    ),
)
logging.info("%d stills of cameras %s", len(pictures.stills), ", ".join(shown.names))
write_jpeg(snakemake.output.sheet, pictures.sheet)
write_png(snakemake.output.heat, pictures.heat)
write_gif(snakemake.output.gif, pictures.animation)
write_mp4(snakemake.output.mp4, pictures.animation)
write_film_page(snakemake.output.page, snakemake.output.mp4, f"{snakemake.wildcards.family}, component by component")
with atomic_directory(snakemake.output.stills) as folder:
    for name, picture in pictures.stills.items():
        write_png(folder / name, picture)

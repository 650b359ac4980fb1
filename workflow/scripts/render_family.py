from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba

from splatrig.animation.family import draw_family
from splatrig.animation.film_page import write_film_page
from splatrig.animation.pictures import write_gif, write_jpeg, write_mp4, write_png
from splatrig.components.rig_file import open_rig
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.io.files import atomic_directory
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

inputs, params, output = snakemake.input, snakemake.params, snakemake.output
numba.set_num_threads(snakemake.threads)
template = read_template(inputs.template)
rig, pose_file = open_rig(inputs.components, inputs.neutral, template, Path(inputs.dataset))
photographed = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
device = choose_device(params.device, snakemake.threads)
pictures = draw_family(rig, photographed, template.finest_level, params.components, params.image_height, device)
write_jpeg(output.sheet, pictures.sheet)
write_png(output.heat, pictures.heat)
write_gif(output.gif, pictures.animation)
write_mp4(output.mp4, pictures.animation)
write_film_page(output.page, output.mp4, f"{snakemake.wildcards.family}, component by component")
with atomic_directory(output.stills) as folder:
    for name, picture in pictures.stills.items():
        write_png(folder / name, picture)

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba

from splatrig.animation.captions import strongest
from splatrig.animation.film_page import write_film_page
from splatrig.animation.track_film import film_of, with_captions, write_film
from splatrig.components.rig_file import open_rig
from splatrig.control.filters import resampled
from splatrig.control.labels import caption_of
from splatrig.control.panel import read_panel
from splatrig.control.track import read_track
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.jobs.device import choose_device

inputs, params, output = snakemake.input, snakemake.params, snakemake.output
numba.set_num_threads(snakemake.threads)
rig, pose_file = open_rig(inputs.components, inputs.neutral, inputs.template, Path(inputs.dataset))
panel = read_panel(inputs.panel)
weights = resampled(read_track(inputs.track).ordered(panel.names), params.fps).weights
photographed = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
pictures = film_of(
    rig,
    weights,
    photographed,
    height=params.height,
    path=params.path,
    names=params.cameras,
    device=choose_device(params.device, snakemake.threads),
)
captions = strongest(weights, [caption_of(name) for name in panel.names], panel.low, panel.high)
write_film(with_captions(pictures, captions), params.fps, mp4=output.mp4, gif=output.gif, threads=snakemake.threads)
write_film_page(output.page, output.mp4, f"{params.track} of {params.family}")

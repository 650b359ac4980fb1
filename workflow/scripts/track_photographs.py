from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba
import numpy as np

from splatrig.components.rig_file import open_rig
from splatrig.control.fit import track_of
from splatrig.control.panel import read_panel
from splatrig.control.photographs import weights_from_frame_photographs
from splatrig.control.track import write_track
from splatrig.fitting.recipe import render_options
from splatrig.io.files import first_path
from splatrig.jobs.device import choose_device
from splatrig.learned.compare import Comparison
from splatrig.learned.stage import Subject

inputs, params = snakemake.input, snakemake.params
numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
subject = Subject.open(
    cameras=inputs.cameras,
    template=inputs.template,
    neutral=inputs.neutral,
    frames=inputs.frames,
    plates=first_path(inputs.plates),
)
render = render_options(params.background, params.sh_degree, params.rasterizer)
device = choose_device(params.device, snakemake.threads)
comparison = Comparison(subject, render, params.solve_steps, device)
rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path())
weights = weights_from_frame_photographs(comparison, rig.components, params.name)
panel = read_panel(inputs.panel)
write_track(snakemake.output.track, track_of(panel, np.zeros(1), weights[None], f"photographs of {params.name}"))

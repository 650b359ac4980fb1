from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba
import numpy as np

from splatrig.components.rig_file import open_rig
from splatrig.config.models import JointSolve, TrainingConfig, from_mapping
from splatrig.control.fit import track_of
from splatrig.control.panel import read_panel
from splatrig.control.photographs import weights_from_frame_photographs
from splatrig.control.track import write_track
from splatrig.fitting.recipe import plan_for
from splatrig.jobs.device import choose_device
from splatrig.learned.compare import Comparison
from splatrig.learned.stage import Subject

inputs, params = snakemake.input, snakemake.params
numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
view = plan_for(from_mapping(TrainingConfig, params.training), "frame", params.background)
comparison = Comparison(
    Subject.open(inputs), view, from_mapping(JointSolve, params.solve), choose_device(params.device, snakemake.threads)
)
rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path(), follow=False)
weights = weights_from_frame_photographs(comparison, rig.components, params.name)
panel = read_panel(inputs.panel)
write_track(snakemake.output.track, track_of(panel, np.zeros(1), weights[None], f"photographs of {params.name}"))

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__, apart_from=["progress"])

import shutil
from pathlib import Path

from PIL import Image

from splatrig.dataset.dataset import Dataset
from splatrig.dataset.frames import read_chosen_frames
from splatrig.fitting.fitting import FitContext, as_stored, fit_expression
from splatrig.fitting.measurement import stacked
from splatrig.fitting.recipe import plan_for
from splatrig.gaussians.store import read_fitted_frames, write_fitted_frames
from splatrig.io.files import atomic_path, first_path
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

progress, params, inputs = Path(snakemake.params.progress), snakemake.params, snakemake.input
context = FitContext(
    dataset=Dataset.open(inputs.cameras, first_path(inputs.plates)),
    template=read_template(inputs.template),
    plan=plan_for(params.recipe, params.steps, params.background, params.sh_degree, params.rasterizer),
    seed=params.seed,
    device=choose_device(params.device, snakemake.threads),
    progress=progress,
    library=params.lib,
    workers=snakemake.threads,
)
expression = params.expression
frames = read_chosen_frames(inputs.frames)["frame"].tolist()
neutral = read_fitted_frames(inputs.neutral)
fitted = fit_expression(context, expression, frames, neutral, snakemake.output.events)
with atomic_path(snakemake.output.picture) as picture:
    Image.fromarray(stacked([frame.strip for frame in fitted])).save(picture)
write_fitted_frames(snakemake.output.gaussians, as_stored(context, expression, fitted))
shutil.rmtree(progress, ignore_errors=True)
entry.keep()

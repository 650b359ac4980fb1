from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__, apart_from=["progress"])

import shutil
from pathlib import Path

from PIL import Image

from splatrig.dataset.frames import read_chosen_frames
from splatrig.fitting.fitting import as_stored, fit_expression, open_studio
from splatrig.fitting.measurement import stacked
from splatrig.gaussians.store import read_fitted_frames, write_fitted_frames
from splatrig.io.files import atomic_path

expression = snakemake.params.expression
progress = Path(snakemake.params.progress)
checkpoint_steps = snakemake.resources.checkpoint_steps
studio = open_studio(snakemake.input, snakemake.params, snakemake.threads, progress, checkpoint_steps)
frames = read_chosen_frames(snakemake.input.frames)["frame"].tolist()
neutral = read_fitted_frames(snakemake.input.neutral)
fitted = fit_expression(studio, expression, frames, neutral, snakemake.output.events)
with atomic_path(snakemake.output.picture) as picture:
    Image.fromarray(stacked([frame.strip for frame in fitted])).save(picture)
write_fitted_frames(snakemake.output.gaussians, as_stored(studio, expression, fitted))
shutil.rmtree(progress, ignore_errors=True)
entry.keep()

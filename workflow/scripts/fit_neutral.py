from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__, apart_from=["progress"])

import shutil
from pathlib import Path

from PIL import Image

from splatrig.dataset.frames import read_chosen_frames
from splatrig.fitting.fitting import as_stored, fit_neutral, open_studio
from splatrig.gaussians.store import write_fitted_frames
from splatrig.io.files import atomic_path

progress = Path(snakemake.params.progress)
checkpoint_steps = snakemake.resources.checkpoint_steps
studio = open_studio(snakemake.input, snakemake.params, snakemake.threads, progress, checkpoint_steps)
table = read_chosen_frames(snakemake.input.frames)
frame = table.loc[table["neutral"], "frame"].item()
fitted = fit_neutral(studio, snakemake.params.expression, frame, snakemake.output.events)
with atomic_path(snakemake.output.picture) as picture:
    Image.fromarray(fitted.strip).save(picture)
write_fitted_frames(snakemake.output.gaussians, as_stored(studio, snakemake.params.expression, [fitted]))
shutil.rmtree(progress, ignore_errors=True)
entry.keep()

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__, apart_from=["progress"])

import shutil
from pathlib import Path

from PIL import Image

from splatrig.dataset.frames import read_chosen_frames
from splatrig.fitting.fitting import as_stored, fit_neutral, open_context
from splatrig.gaussians.store import write_fitted_frames
from splatrig.io.files import atomic_path, first_path

params, inputs = snakemake.params, snakemake.input
progress = Path(params.progress)
context = open_context(
    cameras=inputs.cameras,
    template=inputs.template,
    plates=first_path(inputs.plates),
    training=params.training,
    background=params.background,
    seed=params.seed,
    device=params.device,
    threads=snakemake.threads,
    progress=progress,
    library=params.lib,
    checkpoint_steps=snakemake.resources.checkpoint_steps,
)
table = read_chosen_frames(inputs.frames)
frame = table.loc[table["neutral"], "frame"].item()
fitted = fit_neutral(context, params.expression, frame, snakemake.output.events)
with atomic_path(snakemake.output.picture) as picture:
    Image.fromarray(fitted.strip).save(picture)
write_fitted_frames(snakemake.output.gaussians, as_stored(context, params.expression, [fitted]))
shutil.rmtree(progress, ignore_errors=True)
entry.keep()

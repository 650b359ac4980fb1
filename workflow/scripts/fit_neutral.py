from splatrig.logs import log_to

log_to(snakemake.log[0])

import pandas as pd  # noqa: E402
from PIL import Image  # noqa: E402

from splatrig.files import atomic_path  # noqa: E402
from splatrig.gaussians.store import write_fitted_frames  # noqa: E402
from splatrig.training.fitting import as_stored, fit_neutral, open_studio  # noqa: E402

studio = open_studio(snakemake.input, snakemake.params, snakemake.threads)
table = pd.read_csv(snakemake.input.frames, dtype={"frame": str})
frame = table.loc[table["neutral"], "frame"].item()
fitted = fit_neutral(studio, snakemake.params.expression, frame, snakemake.output.events)
with atomic_path(snakemake.output.picture) as picture:
    Image.fromarray(fitted.strip).save(picture)
write_fitted_frames(snakemake.output.gaussians, as_stored(studio, snakemake.params.expression, [fitted]))

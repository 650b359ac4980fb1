from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import pandas as pd

from splatrig.evaluation.coherence import coherence_table, draw_coherence, spectrum_table, summarized
from splatrig.evaluation.figures import save
from splatrig.evaluation.fit import merge_fit_metrics
from splatrig.evaluation.table import write_table
from splatrig.gaussians.store import read_fitted_frames

neutral = read_fitted_frames(snakemake.input.neutral).gaussians[0]
stores = {recipe: snakemake.input[recipe] for recipe in snakemake.params.recipes}
coherence = pd.concat([coherence_table(recipe, paths, neutral) for recipe, paths in stores.items()])
spectrum = pd.concat([spectrum_table(recipe, paths) for recipe, paths in stores.items()])
psnr = {}
for recipe, paths in stores.items():
    metrics = merge_fit_metrics(paths)
    psnr[recipe] = metrics[(metrics["split"] == "held_out") & (metrics["region"] == "mask")]["psnr"].mean()
write_table(snakemake.output.coherence, coherence)
write_table(snakemake.output.spectrum, spectrum)
summary = summarized(coherence, spectrum, psnr)
logging.info("\n%s", summary.to_string(index=False))
write_table(snakemake.output.summary, summary)
save(snakemake.output.figure, draw_coherence(coherence, spectrum))

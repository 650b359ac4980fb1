from splatrig.logs import log_to

log_to(snakemake.log[0])

import numpy as np

from splatrig.evaluation.fit import merge_fit_metrics, summarise_fit
from splatrig.evaluation.table import write_table

fit = merge_fit_metrics(snakemake.input.gaussians)
write_table(snakemake.output.fit, fit)
write_table(snakemake.output.summary, summarise_fit(fit, np.random.default_rng(snakemake.params.seed)))

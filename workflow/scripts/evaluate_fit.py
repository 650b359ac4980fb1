from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import numpy as np

from splatrig.evaluation.fit import merge_fit_metrics, summarize_fit
from splatrig.evaluation.table import write_table

fit = merge_fit_metrics(snakemake.input.gaussians)
write_table(snakemake.output.fit, fit)
summary = summarize_fit(fit, np.random.default_rng(snakemake.params.seed))
write_table(snakemake.output.summary, summary)
logging.info("%d measurements; means over frames:\n%s", len(fit), summary.to_string(index=False))

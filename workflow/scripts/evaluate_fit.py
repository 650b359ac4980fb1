from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import numba
import numpy as np
import pandas as pd

from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.regions import RegionFolder
from splatrig.evaluation.fit import fit_regions, merge_fit_metrics, summarize_fit, with_regions
from splatrig.evaluation.regions import summarize_fit_regions
from splatrig.evaluation.table import write_table
from splatrig.jobs.device import choose_device

numba.set_num_threads(snakemake.threads)
params, inputs = snakemake.params, snakemake.input
device = choose_device(params.device, snakemake.threads)
dataset = Dataset(Path(params.dataset), read_cameras(inputs.cameras).measuring)
regions = fit_regions(inputs.gaussians, dataset, RegionFolder(Path(inputs.regions)), device)
fit = with_regions(merge_fit_metrics(inputs.gaussians), regions)
write_table(snakemake.output.fit, fit)
generator = np.random.default_rng(params.seed)
summary = pd.concat([summarize_fit(fit, generator), summarize_fit_regions(fit, generator)], ignore_index=True)
write_table(snakemake.output.summary, summary)
logging.info("%d measurements; means over frames:\n%s", len(fit), summary.to_string(index=False))

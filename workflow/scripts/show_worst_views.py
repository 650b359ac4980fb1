from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import numba

from splatrig.animation.pictures import write_png
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.regions import RegionFolder
from splatrig.evaluation.fit import with_regions, worst_views
from splatrig.evaluation.fit_regions import fit_regions
from splatrig.evaluation.table import read_table, write_table
from splatrig.evaluation.worst import camera_table, picture_worst, worst_sheet
from splatrig.jobs.device import choose_device

numba.set_num_threads(snakemake.threads)
params = snakemake.params
device = choose_device(params.device, snakemake.threads)
cameras = read_cameras(snakemake.input.cameras)
measuring = Dataset(Path(params.dataset), cameras.measuring)
regions = fit_regions(snakemake.input.gaussians, measuring, RegionFolder(Path(snakemake.input.regions)), device)
write_table(snakemake.output.regions, regions)
fit = with_regions(read_table(snakemake.input.fit), regions)
chosen = worst_views(fit, params.views)
logging.info("worst views:\n%s", chosen[["expression", "frame", "camera", "psnr"]].to_string(index=False))
stores = dict(zip(params.expressions, snakemake.input.gaussians, strict=True))
rows, titles = picture_worst(chosen, stores, Path(params.dataset), cameras, params.image_height, device)
write_png(snakemake.output.picture, worst_sheet(rows, titles))
write_table(snakemake.output.cameras, camera_table(fit))

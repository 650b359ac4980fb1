from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.dataset.cameras import read_cameras, write_cameras

cameras = read_cameras(snakemake.input.calibration).split(snakemake.params.held_out)
write_cameras(snakemake.output.cameras, cameras)
logging.info("held out: %s", ", ".join(cameras.select(cameras.held_out).names) or "none")

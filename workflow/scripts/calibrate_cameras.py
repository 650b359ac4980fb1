from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.formats import open_capture
from splatrig.dataset.cameras import write_cameras
from splatrig.io.files import first_path

params = snakemake.params
capture = open_capture(params.source, first_path(snakemake.input.krt).parent)
krt = capture.calibration()
names = choose_camera_names(capture, params.segment, params.cameras, set(krt))
cameras = calibrated_cameras(krt, raw_image_sizes(capture, params.segment, names))
scaled = cameras.scaled(params.image_scale)
write_cameras(snakemake.output.calibration, scaled)
logging.info(
    "%d cameras, images %d×%d, used at %d×%d", len(scaled), cameras.width, cameras.height, scaled.width, scaled.height
)

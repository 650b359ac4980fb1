from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_size
from splatrig.capture.krt import read_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.dataset.cameras import write_cameras

params = snakemake.params
layout = CaptureLayout(Path(snakemake.input.krt).parent)
krt = read_krt(layout.krt)
names = choose_camera_names(layout, params.segment, params.cameras, set(krt))
width, height = raw_image_size(layout, params.segment, names)
scaled = calibrated_cameras(krt, names, width, height).scaled(params.image_scale)
write_cameras(snakemake.output.calibration, scaled)
logging.info("%d cameras, images %d×%d, used at %d×%d", len(scaled), width, height, scaled.width, scaled.height)

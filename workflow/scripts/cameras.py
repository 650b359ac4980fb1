from splatrig.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_size
from splatrig.capture.cameras import held_out_cameras, write_cameras
from splatrig.capture.krt import read_krt
from splatrig.capture.layout import CaptureLayout

params = snakemake.params
layout = CaptureLayout(Path(snakemake.input.krt).parent)
krt = read_krt(layout.krt)
names = choose_camera_names(layout, params.segment, params.cameras, set(krt))
width, height = raw_image_size(layout, params.segment, names)
cameras = calibrated_cameras(krt, names, held_out_cameras(params.held_out, names), width, height)
scaled = cameras.scaled(params.image_scale)
write_cameras(snakemake.output.cameras, scaled)
logging.info("%d cameras, images %d×%d, used at %d×%d", len(scaled), width, height, scaled.width, scaled.height)
logging.info("held out: %s", ", ".join(scaled.select(scaled.held_out).names) or "none")

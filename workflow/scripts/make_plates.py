from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.layout import CaptureLayout
from splatrig.capture.plates import PlateSource, compute_plates, take_plates
from splatrig.dataset.cameras import read_cameras
from splatrig.io.files import atomic_directory, first_path

params, given = snakemake.params, first_path(snakemake.input.given)
root = given.parent if given else Path(snakemake.input.neutral).parent.parent
cameras = read_cameras(snakemake.input.calibration)
source = PlateSource(CaptureLayout(root), cameras, params.image_scale, params.color)
with atomic_directory(snakemake.output.plates) as target:
    if given:
        take_plates(source, target)
    else:
        compute_plates(source, params.expressions, params.neutral, target, threads=snakemake.threads)

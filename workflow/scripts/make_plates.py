from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.capture.formats import open_capture
from splatrig.capture.plates import PlateSource, compute_plates, take_plates
from splatrig.dataset.cameras import read_cameras
from splatrig.io.files import atomic_directory, first_path

params, given = snakemake.params, first_path(snakemake.input.given)
capture = open_capture(params.source, first_path(snakemake.input.krt).parent)
cameras = read_cameras(snakemake.input.calibration)
source = PlateSource(capture, cameras, params.image_scale, params.color)
with atomic_directory(snakemake.output.plates) as target:
    if given:
        take_plates(source, given, target)
    else:
        compute_plates(source, params.expressions, params.neutral, target, threads=snakemake.threads)

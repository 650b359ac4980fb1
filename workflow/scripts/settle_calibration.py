from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.krt import write_krt
from splatrig.landmarks.canonical import read_canonical
from splatrig.tracking.calibration import read_calibration, scaled
from splatrig.tracking.faces import read_faces
from splatrig.tracking.job import millimeters_of, photographs_of

inputs, params = snakemake.input, snakemake.params
calibration = read_calibration(Path(inputs.calibration))
faces, canonical = read_faces(inputs.faces), read_canonical(inputs.canonical)
scale = millimeters_of(
    photographs_of(inputs.images), params.neutral, calibration, faces, canonical, params.eye_distance_mm
)
write_krt(snakemake.output.krt, scaled(calibration, scale))

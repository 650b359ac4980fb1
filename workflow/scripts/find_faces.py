from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.color import correction_table
from splatrig.capture.lenses import Lenses
from splatrig.landmarks.iris import IrisFinder
from splatrig.landmarks.network import FaceFinder
from splatrig.tracking.calibration import read_calibration
from splatrig.tracking.faces import find_faces, write_faces
from splatrig.tracking.job import photographs_of, raw_cameras, training_cameras

inputs, params = snakemake.input, snakemake.params
layout = photographs_of(inputs.images)
calibration = read_calibration(Path(inputs.calibration))
names = training_cameras(layout, params.neutral, calibration, params)
cameras = raw_cameras(layout, params.neutral, calibration, names)
lenses = Lenses(calibration, cameras)
finder = FaceFinder(inputs.detector, inputs.mesh)
segment = snakemake.wildcards.expression
faces = find_faces(layout, segment, cameras, finder, IrisFinder(inputs.iris), correction_table(params.color), lenses)
write_faces(snakemake.output.faces, faces)

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.io.files import first_path
from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.stage import Neutral, check, check_own, write_check
from splatrig.landmarks.table import read_detections, read_positions

inputs, params = snakemake.input, snakemake.params
neutral = Neutral.open(inputs.cameras, inputs.frames, params.neutral)
canonical = read_canonical(inputs.canonical)
own = first_path(inputs.own)
if own is not None:
    result = check_own(neutral, read_positions(own), canonical, str(own))
else:
    seen = read_detections(first_path(inputs.detections), neutral.frame.cameras.names)
    result = check(neutral, seen, canonical, params.krt, params.image_scale)
write_check(snakemake.output.check, result)

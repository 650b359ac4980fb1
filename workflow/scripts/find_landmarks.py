from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.detect import detect
from splatrig.landmarks.network import FaceFinder
from splatrig.landmarks.picture import draw_landmarks
from splatrig.landmarks.stage import Neutral, find
from splatrig.landmarks.table import write_detections, write_landmarks

inputs, output = snakemake.input, snakemake.output
neutral = Neutral.open(inputs.cameras, inputs.frames, snakemake.params.neutral)
canonical = read_canonical(inputs.canonical)
seen = detect(neutral.frame, FaceFinder(inputs.detector, inputs.mesh))
landmarks = find(neutral, seen, canonical)
write_detections(output.detections, neutral.frame.cameras.names, seen)
write_landmarks(output.landmarks, landmarks)
draw_landmarks(output.picture, neutral.frame, seen, landmarks.positions, canonical)

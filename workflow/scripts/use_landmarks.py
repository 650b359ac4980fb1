from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import numpy as np

from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.picture import draw_landmarks
from splatrig.landmarks.stage import Neutral
from splatrig.landmarks.table import attach, read_positions, write_landmarks

inputs, output = snakemake.input, snakemake.output
neutral = Neutral.open(inputs.cameras, inputs.frames, snakemake.params.neutral)
positions = read_positions(inputs.own)
nothing = np.zeros(len(positions))
write_landmarks(output.landmarks, attach(positions, neutral.surface, nothing.astype(int), nothing + np.nan))
draw_landmarks(output.picture, neutral.frame, neutral.seen(positions), positions, read_canonical(inputs.canonical))

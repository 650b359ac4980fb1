from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__)

from splatrig.landmarks.canonical import read_canonical
from splatrig.tracking.export import write_quality, write_tracked_meshes, write_weights
from splatrig.tracking.faces import read_faces
from splatrig.tracking.job import shots_of
from splatrig.tracking.neutral import read_neutral
from splatrig.tracking.segment import SegmentTracker

inputs, params, output = snakemake.input, snakemake.params, snakemake.output
segment = snakemake.wildcards.expression
neutral = read_neutral(inputs.neutral)
reference = shots_of(inputs.reference, inputs.cameras, params)
tracker = SegmentTracker(neutral, reference, read_canonical(inputs.canonical))
shots = list(tracker.track(shots_of(inputs.images, inputs.cameras, params), read_faces(inputs.faces)))
write_tracked_meshes(output.tracked_mesh, segment, neutral, shots)
write_weights(output.weights, segment, neutral.head.names, shots)
write_quality(output.frames, segment, shots)
entry.keep()

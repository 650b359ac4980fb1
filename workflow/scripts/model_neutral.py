from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__)

from splatrig.tracking.faces import read_faces
from splatrig.tracking.job import shots_of
from splatrig.tracking.neutral import find_neutral, write_neutral
from splatrig.tracking.template_head import read_template_head

inputs, params = snakemake.input, snakemake.params
template, model = read_template_head(inputs.head, inputs.canonical)
faces = read_faces(inputs.faces)
shots = shots_of(inputs.images, inputs.cameras, params)
write_neutral(snakemake.output.neutral, find_neutral(template, model, shots, faces, params.vertices))
entry.keep()

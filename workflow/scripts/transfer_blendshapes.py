from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.blendshapes.arkit import NAMES
from splatrig.blendshapes.template_face import read_template_face
from splatrig.blendshapes.transfer import register, transfer
from splatrig.components.units import write_shapes
from splatrig.landmarks.table import read_landmarks
from splatrig.mesh.template import read_template

inputs = snakemake.input
base = read_template(inputs.template).base
landmarks = read_landmarks(inputs.landmarks, len(base.faces))
face = register(read_template_face(inputs.head, inputs.canonical), landmarks.positions)
write_shapes(snakemake.output.shapes, NAMES, transfer(face, base.vertices, base.faces))

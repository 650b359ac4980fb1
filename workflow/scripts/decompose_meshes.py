from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.blendshapes.promises import promised, read_promises
from splatrig.components.component_file import write_components
from splatrig.components.sldc import SldcOptions
from splatrig.components.units import read_shapes
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.io.files import first_path
from splatrig.learned.mesh_components import carried_by_meshes, mesh_blendshapes, mesh_pca, mesh_sldc, read_meshes
from splatrig.learned.stage import Subject

inputs, params, threads = snakemake.input, snakemake.params, snakemake.threads
subject = Subject.open(
    cameras=inputs.cameras,
    template=inputs.template,
    neutral=inputs.neutral,
    frames=inputs.frames,
    plates=first_path(inputs.plates),
)
names = subject.names("train")
meshes = read_meshes(subject.dataset.folder, names, subject.template)
if params.method == "arkit":
    shapes = read_shapes(first_path(inputs.shapes), len(subject.template.base.vertices)).shapes
    told = promised(names, read_promises(first_path(inputs.promises)))
    components = mesh_blendshapes(subject.neutral, meshes, shapes, told, subject.template, names)
else:
    rows = carried_by_meshes(subject.neutral, meshes, subject.template, names, subject.neutral_row(names))
    level = subject.template.base
    if params.method == "pca":
        components = mesh_pca(rows, params.k, level, threads)
    else:
        support = SUPPORT_MAPS[params.support](**params.support_map)
        components = mesh_sldc(rows, SldcOptions(**params.sldc), support, level, threads)
logging.info("%s: %d components of %d tracked meshes", components.family, len(components.C), len(names))
write_components(snakemake.output.components, components)

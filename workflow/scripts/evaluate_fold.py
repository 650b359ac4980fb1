from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import numba

from splatrig.components.component_file import read_components
from splatrig.evaluation.attribute_rows import read_attribute_rows
from splatrig.evaluation.learned_folds import Fold
from splatrig.evaluation.scene import open_scene
from splatrig.evaluation.table import write_table
from splatrig.fitting.recipe import render_options
from splatrig.io.files import first_path
from splatrig.jobs.device import choose_device
from splatrig.learned.compare import Comparison
from splatrig.learned.stage import Subject

params, inputs, output = snakemake.params, snakemake.input, snakemake.output
device = choose_device(params.device, 1)
numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
components = read_components(inputs.components)
subject = Subject.open(
    cameras=inputs.cameras,
    template=inputs.template,
    neutral=inputs.neutral,
    frames=inputs.frames,
    plates=first_path(inputs.plates),
)
data = read_attribute_rows(inputs.attributes, components.columns.names)
render = render_options(params.background, params.sh_degree, params.rasterizer)
fold = Fold(params.method, params.level, components, data, params.fold)
solved = fold.solve(Comparison(subject, render, params.solve_steps, device))
write_table(output.table, fold.numbers(solved))
scene = open_scene(
    neutral=inputs.neutral,
    cameras=inputs.cameras,
    regions=inputs.regions,
    dataset=subject.dataset.folder,
    template=subject.template,
    device=device,
    motions=solved.motions,
)
write_table(output.images, fold.pictures(solved, scene))

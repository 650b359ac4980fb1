from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba

from splatrig.components.component_file import read_components
from splatrig.dataset.regions import RegionFolder
from splatrig.evaluation.images import unseen_pictures
from splatrig.evaluation.table import write_table
from splatrig.fitting.recipe import render_options
from splatrig.io.files import first_path
from splatrig.jobs.device import choose_device
from splatrig.learned.compare import Comparison, compare, read_fits
from splatrig.learned.stage import Subject

params, inputs = snakemake.params, snakemake.input
device = choose_device(params.device, 1)
numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
files = {"pca_all": inputs.pca} | {
    f"learned_{name}": path for name, path in zip(params.families, inputs.learned, strict=True)
}
render = render_options(params.background, params.sh_degree, params.rasterizer)
subject = Subject.open(
    cameras=inputs.cameras,
    template=inputs.template,
    neutral=inputs.neutral,
    frames=inputs.frames,
    plates=first_path(inputs.plates),
)
comparison = Comparison(subject, render, params.solve_steps, device, RegionFolder(Path(inputs.regions)))
components = {name: read_components(path) for name, path in files.items()}
table = compare(comparison, components, read_fits(subject, inputs.gaussians), params.k, splits=["held_out"])
write_table(snakemake.output.images, unseen_pictures(table, params.level))

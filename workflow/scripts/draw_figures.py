from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.evaluation import figures, sweep_figures
from splatrig.evaluation.table import read_table

methods, fit, sweeps = (read_table(snakemake.input[name]) for name in ("methods", "fit", "sweeps"))
drawn = {
    "reconstruction": figures.draw_reconstruction(methods, sweeps),
    "influence": figures.draw_influence(methods),
    "attributes": figures.draw_attributes(methods),
    "matched": sweep_figures.draw_matched(sweeps),
    "tradeoff": sweep_figures.draw_tradeoff(sweeps),
    "locality": figures.draw_locality(methods),
    "images": figures.draw_images(methods),
    "regions": figures.draw_regions(methods),
    "upsampling": figures.draw_upsampling(methods),
    "fit": figures.draw_fit(fit),
}
if "truth" in snakemake.output.keys():  # noqa: SIM118 (named outputs are no mapping)
    drawn["truth"] = figures.draw_truth(read_table(snakemake.input.truth))
logging.info("%d rows of methods, %d of sweeps, %d of fits: %s", len(methods), len(sweeps), len(fit), ", ".join(drawn))
for name, figure in drawn.items():
    figures.save(snakemake.output[name], figure)

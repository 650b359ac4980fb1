from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.tracking.links import link_photographs

link_photographs(snakemake.input.given, snakemake.output.images, snakemake.params.frame_numbers_per_second)

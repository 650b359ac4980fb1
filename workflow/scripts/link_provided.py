from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.tracking.links import link_folder

link_folder(snakemake.input.given, snakemake.output.folder)

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.control.web.retrieve import retrieve_renderer

retrieve_renderer(snakemake.input.lock, snakemake.output.archive)

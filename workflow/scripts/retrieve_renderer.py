from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.control.web.retrieve import RENDERER, retrieve_packages

retrieve_packages(snakemake.input.lock, RENDERER, snakemake.output.archive)

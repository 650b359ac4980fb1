from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.landmarks.retrieve import retrieve_segmentation_network

retrieve_segmentation_network(snakemake.output.network, snakemake.output.license)

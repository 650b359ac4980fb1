from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.landmarks.retrieve import retrieve_face_networks

output = snakemake.output
retrieve_face_networks(output.detector, output.mesh, output.iris, output.license)

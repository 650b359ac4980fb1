from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.ava256_download import fetch_lists
from splatrig.capture.retrieve import read_settings

settings = read_settings(snakemake.config, snakemake.scriptdir)
fetch_lists(snakemake.params.url, [Path(path) for path in snakemake.output], settings)

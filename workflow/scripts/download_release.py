from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.release import read_entity, write_release
from splatrig.capture.retrieve import fetch_release, read_settings

entity = Path(snakemake.params.entity)
names = read_entity(entity).archive_names() if entity.is_file() else []
folder = Path(snakemake.output.release).parent
archives = fetch_release(snakemake.params.url, folder, read_settings(snakemake.config, snakemake.scriptdir), names)
write_release(snakemake.output.release, archives)

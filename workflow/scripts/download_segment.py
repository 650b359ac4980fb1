from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__)

import logging
from pathlib import Path

from splatrig.capture.release import plan, read_release
from splatrig.capture.retrieve import assemble, read_settings, retrieve

expression, cameras = snakemake.params.expression, snakemake.params.cameras
folder = Path(snakemake.input.release).parent
outputs = dict(snakemake.output.items())
archives = plan(read_release(snakemake.input.release), [expression], list(outputs), cameras)
settings = read_settings(snakemake.config, snakemake.scriptdir)
retrieve(archives, folder, cameras, settings, at_once=snakemake.resources.downloads)
for asset, target in outputs.items():
    folders = [folder / archive.stem for archive in archives if archive.asset == asset]
    count = assemble(folders, target, "all" if asset == "tracked_mesh" else cameras)
    logging.getLogger(__name__).info("%s: %d files", target, count)
if all(archive.md5 for archive in archives):  # else the same listing may stand for other bytes
    entry.keep()

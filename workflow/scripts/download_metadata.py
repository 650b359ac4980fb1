from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import shutil
from pathlib import Path

from splatrig.capture.release import plan, read_release
from splatrig.capture.retrieve import assemble, read_settings, retrieve
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

assets = ["metadata", *(["audio"] if hasattr(snakemake.output, "audio") else [])]
archives = plan(read_release(snakemake.input.release), [], assets, "all")
folder = Path(snakemake.input.release).parent
settings = read_settings(snakemake.config, snakemake.scriptdir)
retrieve(archives, folder, "all", settings, at_once=snakemake.resources.downloads)
for target in map(Path, (snakemake.output.krt, snakemake.output.frame_list, snakemake.output.tex_mean)):
    source = folder / "metadata" / target.name
    if not source.is_file():
        raise InputError(f"metadata.tar: {target.name} is not in it; the entity cannot be used without.")
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
if "audio" in assets:
    assemble([folder / "audio"], snakemake.output.audio, "all")

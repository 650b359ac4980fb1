from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.plates import write_plates
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.frames import read_frames
from splatrig.io.files import atomic_directory

params = snakemake.params
folders = dict(zip(params.expressions, snakemake.input.datasets, strict=True))
table = read_frames(snakemake.input.frames)
frames = [Path(folders[row.expression]) / row.frame for row in table.itertuples()]
with atomic_directory(snakemake.output.plates) as target:
    write_plates(
        frames,
        read_cameras(snakemake.input.cameras),
        target,
        threads=snakemake.threads,
    )

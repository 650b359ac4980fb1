from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__)

from splatrig.capture.formats import open_capture
from splatrig.capture.restructure import RestructureOptions, restructure
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.frames import write_frames
from splatrig.io.files import atomic_directory, first_path

params = snakemake.params
with atomic_directory(snakemake.output.dataset) as target:
    rows = restructure(
        open_capture(params.source, first_path(snakemake.input.krt).parent),
        params.expression,
        read_cameras(snakemake.input.calibration),
        RestructureOptions(**params.options),
        target,
        plates=first_path(snakemake.input.plates),
        segmenter=first_path(snakemake.input.segmenter),
        threads=snakemake.threads,
    )
write_frames(snakemake.output.frames, rows)
entry.keep()

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.components.attribute_writer import export_attributes
from splatrig.dataset.frames import FrameRow, read_frames
from splatrig.mesh.template import read_template

frames = [FrameRow(**row) for row in read_frames(snakemake.input.frames).to_dict("records")]
logging.info("%d frames, %d of them held out", len(frames), sum(frame.role == "held_out" for frame in frames))
stores = dict(zip(snakemake.params.expressions, map(Path, snakemake.input.gaussians), strict=True))
outputs = {level: Path(path) for level, path in snakemake.output.items()}
export_attributes(frames, stores, read_template(snakemake.input.template), outputs, snakemake.params.subject)

from splatrig.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import pandas as pd

from splatrig.components.export import FrameRow, export_attributes
from splatrig.mesh.template import read_template

table = pd.read_csv(snakemake.input.frames, dtype={"expression": str, "frame": str})
frames = [FrameRow(row.expression, row.frame, row.role, bool(row.neutral)) for row in table.itertuples()]
logging.info("%d frames, %d of them held out", len(frames), sum(frame.role == "held_out" for frame in frames))
stores = dict(zip(snakemake.params.expressions, map(Path, snakemake.input.gaussians), strict=True))
outputs = {level: Path(path) for level, path in snakemake.output.items()}
export_attributes(frames, stores, read_template(snakemake.input.template), outputs, snakemake.params.subject)

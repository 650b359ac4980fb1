from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.capture.matte_picture import draw_mattes
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.frames import read_chosen_frames
from splatrig.io.files import first_path

table = read_chosen_frames(snakemake.input.frames)
frame = table.loc[table["neutral"], "frame"].item()
cameras = read_cameras(snakemake.input.calibration)
folder, plates = Path(snakemake.input.dataset) / frame, first_path(snakemake.input.plates)
shown = draw_mattes(snakemake.output.picture, folder, cameras, plates)
logging.info("capture.background %s; cameras %s", snakemake.params.background, ", ".join(shown))

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.control.drive import Settings, driven, read_driving_file, read_settings
from splatrig.control.panel import read_panel
from splatrig.control.track import write_track
from splatrig.io.files import first_path

inputs = snakemake.input
given = first_path(inputs.settings)
settings = read_settings(given) if given else Settings()
track = driven(read_driving_file(inputs.weights, settings), read_panel(inputs.panel))
write_track(snakemake.output.track, track)

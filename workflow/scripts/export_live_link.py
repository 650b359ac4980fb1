from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.control.filters import resampled
from splatrig.control.live_link import RATE, live_link_text
from splatrig.control.track import read_track
from splatrig.io.files import write_text

track = resampled(read_track(snakemake.input.track), RATE)
write_text(snakemake.output.csv, live_link_text(track))

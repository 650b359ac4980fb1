from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.control.web.webcam import add_webcam
from splatrig.io.files import write_text
from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.responses import read_responses

inputs = snakemake.input
page = add_webcam(
    Path(inputs.page).read_text(encoding="utf-8"),
    read_responses(inputs.responses, read_canonical(inputs.canonical)),
    sources=Path(inputs.sources[0]).parents[1],
    runtime=inputs.runtime,
    detector=inputs.detector,
    mesh=inputs.mesh,
    license_text=Path(inputs.license).read_text(encoding="utf-8"),
)
write_text(snakemake.output.page, page)

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import imageio.v2 as imageio

from splatrig.animation.pictures import write_jpeg
from splatrig.animation.portrait import sheet_of_heads

read = map(imageio.imread, snakemake.input)
write_jpeg(snakemake.output.picture, sheet_of_heads(dict(zip(snakemake.params.subjects, read, strict=True))))

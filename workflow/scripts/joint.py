from splatrig.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba

from splatrig.components.assemble import named
from splatrig.components.file import write_components
from splatrig.config import SldcConfig, TrainingConfig, from_mapping
from splatrig.config_joint import JointConfig
from splatrig.joint.fit import Saving
from splatrig.joint.stage import (
    Subject,
    as_components,
    digest_of,
    joint_plan,
    learn,
    read_start,
    rig_start,
)
from splatrig.training.device import choose_device

params, inputs = snakemake.params, snakemake.input
device = choose_device(params.device, 1)  # one torch thread: results do not depend on the number of cores
numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))  # whose kernels do not either
config, training = from_mapping(JointConfig, params.joint), from_mapping(TrainingConfig, params.training)
subject = Subject.open(inputs)
start_file = next(iter([inputs.start] if isinstance(inputs.start, str) else inputs.start), None)
start = rig_start(
    config, from_mapping(SldcConfig, params.sldc), subject, read_start(start_file), params.family, params.seed
)
plan = joint_plan(config, training, params.background, params.family, start)
output = Path(snakemake.output.components)
saving = Saving(output.with_name(f".{output.stem}.checkpoint.h5"), digest_of(dict(params.items()), sorted(inputs)))
learned = learn(start, subject, config, plan, params.seed, device, saving)
components = as_components(learned, subject, params.family, params.joint)
write_components(output, named(components, subject.template, inputs.get("units")))
saving.path.unlink(missing_ok=True)

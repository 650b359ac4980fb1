# What rules share. Each says only what is its own, which is a docstring, files, params and a script.
# complete_rules() of splatrig.rules.common gives it the rest:
#
#   message                        the first line of the docstring
#   conda                          the environment that `environment(...)` names above it
#   resources                      the row of its script in workflow/resources.yaml
#   log, benchmark, param `lib`    named after rule and wildcards; a digest of the library code that its script uses

import re
from functools import partial

from splatrig.components.fields import ATTRIBUTES
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.evaluation import plan
from splatrig.rules import params
from splatrig.rules.common import Common
from splatrig.rules.machine import Machine, memory
from splatrig.rules.params import dataset_of_cameras, only_for
from splatrig.rules.raw import RawCapture, from_here
from splatrig.rules.retrieved import (
    FACE_NETWORKS,
    IRIS_NETWORK,
    LITERT,
    MAKEHUMAN,
    NETWORKS_LICENSE,
    RENDERER,
    SEGMENTATION_NETWORK,
)
from splatrig.rules.setup import set_up

ROOT = Path(workflow.basedir)

PREFIX = workflow.modifier.modify_rulename("")
"""What the names of the rules begin with: in a cohort the subject's name."""
WHO = f"subject {config['subject']}: " if PREFIX else ""

try:
    SUBJECT, few = set_up(config, ROOT, in_cohort=bool(PREFIX))
    MACHINE = Machine(SUBJECT.config, {name: limit.value for name, limit in workflow.global_resources.items()})
    if workflow.is_main_process:
        MACHINE.check_gpus()
except InputError as error:
    sys.exit(f"error: {WHO}{error}")
if few and workflow.is_main_process:
    sys.stderr.write(f"{WHO}{few}\n")

CFG, EXPRESSIONS, LEVELS, FINEST = SUBJECT.config, SUBJECT.expressions, SUBJECT.levels, SUBJECT.finest
COMMON = Common(workflow, SUBJECT, MACHINE, workflow.modifier.rules, PREFIX)
config.update(CFG.model_dump())  # for the captions of the report

results, files, each, capture_path = SUBJECT.results, SUBJECT.files, SUBJECT.each, SUBJECT.capture
reported, figure = SUBJECT.reported, SUBJECT.figure
gpu, threads_of_large, fit_threads = MACHINE.gpu, MACHINE.threads_of_large, MACHINE.fit_threads
environment = COMMON.environment
configured, fit_steps = partial(params.configured, CFG), partial(params.fit_steps, CFG)
sldc_options, support_map = partial(params.sldc_options, CFG), partial(params.support_map, CFG)

NAME = "[A-Za-z0-9][A-Za-z0-9_.-]*"
ONE_OF_EXPRESSIONS = "|".join(map(re.escape, EXPRESSIONS))
FAMILY = f"({'|'.join(plan.FAMILIES)})_[a-z_]+"


wildcard_constraints:
    algorithm="arkit|pca|sldc",
    attribute=f"all|{'|'.join(ATTRIBUTES)}",
    examination="capture_report|landmarks/check",
    expression=NAME,
    family=FAMILY,
    fold=NAME,
    frame=NAME,
    head="head|head_sparse",
    kind="labels|masks",
    level="|".join(LEVELS),
    locality="|".join(plan.FAMILIES["learned"]),
    method=f"(upsampled_)?{FAMILY}",
    performance=NAME,
    pose=rf"{NAME}(?<!\.v4)",
    source=NAME,
    source_family=FAMILY,
    support="|".join(SUPPORT_MAPS),
    track="[A-Za-z0-9_./-]+",


# Inputs and outputs that several rules have

HEAD = files("neutral", "template")
"""What every rule about Gaussians on the mesh reads."""
SCENE = files("neutral", "template", "cameras") | {"dataset": results(f"dataset/{CFG.neutral}")}
"""What every rule reads that renders the head in front of the capture's cameras."""
POSED = files("neutral", "template", "panel") | {"components": SUBJECT.component_file}
"""What every rule reads that poses the head by a family."""
MEASURED = files("cameras") | {"photographs": each("dataset/{expression}")}
"""What every rule reads that measures renderings of any frame in the cameras held out."""


def source(*parts):
    """A file among the sources, as an input: these travel with a job, and are in no bucket."""
    return local(from_here(ROOT.joinpath(*parts)))


CANONICAL_FACE = source("resources", "landmarks", "canonical.csv")
"""Landmarks of the template; moved folders rerun nothing."""

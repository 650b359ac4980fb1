# What rules share. A rule says what is its own: a docstring, files, params, script. All else it has from here:
#
#   message       the first line of the docstring
#   conda         `environment(...)` above it names the environment of the rules below
#   resources     its script's row in workflow/resources.yaml
#   log, benchmark, param `lib`    complete_rules()

import os
import re
import time
from functools import partial

import yaml

from splatrig.capture.formats import READ_IN_PLACE
from splatrig.capture.sources import given_photographs
from splatrig.components.fields import ATTRIBUTES
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.evaluation import plan
from splatrig.io.errors import InputError
from splatrig.io.files import as_paths, first_path
from splatrig.jobs.cache import STATE
from splatrig.jobs.device_kind import driver_is_here, kind_of
from splatrig.jobs.digest import library_digest
from splatrig.jobs.provenance import Digests, Job, run_description, write_provenance
from splatrig.rules import params
from splatrig.rules.raw import from_here, raw_names, state_of_inputs
from splatrig.rules.setup import set_up

STARTED = time.time()
ROOT = Path(workflow.basedir)

try:
    SUBJECT, few = set_up(config, ROOT)
except InputError as error:
    sys.exit(f"error: {error}")
if few and workflow.is_main_process:
    sys.stderr.write(f"{few}\n")

CFG, EXPRESSIONS, LEVELS, FINEST = SUBJECT.config, SUBJECT.expressions, SUBJECT.levels, SUBJECT.finest
config.update(CFG.model_dump())  # for the captions of the report
capture_path, results, files, each = SUBJECT.capture, SUBJECT.results, SUBJECT.files, SUBJECT.each
configured, fit_steps, only_for = partial(params.configured, CFG), partial(params.fit_steps, CFG), params.only_for
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


# The raw capture

RAW = {}
"""By name in the raw layout the files that stand for it, of a source that has another one; of some, by segment."""
IN_FOLDERS = ("images", "labels", "masks", "plates", "tracked_mesh")
"""Names in the raw layout that stand for many files."""
IN_PLACE = CFG.capture.source in READ_IN_PLACE and CFG.capture.entity is None
"""Whether the files of the raw capture are yours, and no rule makes them."""


def raw(name, expression=None):
    """A file or folder of the raw layout, or what stands for it in another format, as an input."""
    if expression == "{expression}" and isinstance(RAW.get(name), dict):
        return lambda wildcards: raw(name, wildcards.expression)
    names = raw_names(RAW, name, expression)
    found = [path if Path(path).is_absolute() else capture_path(path) for path in names]
    if IN_PLACE and name in IN_FOLDERS:
        found = [ancient(path) for path in found]
    return found if name in RAW else found[0]


def raw_of_all(name):
    """The folder of every expression in the raw layout, or what stands for them."""
    return raw(name) if name in RAW else [raw(name, expression) for expression in EXPRESSIONS]


def those_there(*names):
    """Those of some optional files of the raw layout that a capture of yours has, or has what stands for them."""
    return [name for name in names if all(path.exists() for path in as_paths(raw(name)))]


def raw_extra(name):
    """A file of the raw capture that not every source has, as an input: no file where it lacks it."""
    return raw(name) if name in RAW_EXTRAS else []


def labels():
    """The labels of the photographs, where the capture has them; a folder of yours may have some expressions' alone."""
    paths = raw_of_all("labels") if "labels" in RAW_EXTRAS else []
    return [path for path in paths if CFG.capture.source != "local" or Path(path).is_dir()]


def for_plates(paths):
    """What plates are computed from, as an input where the capture brings none."""
    return [] if "plates" in RAW_EXTRAS else paths


# Inputs and outputs that several rules have

HEAD = files("neutral", "template")
"""What every rule about Gaussians on the mesh reads."""
SCENE = files("neutral", "template", "cameras") | {"dataset": results(f"dataset/{CFG.neutral}")}
"""What every rule reads that renders the head in front of the capture's cameras."""
FAMILY_ON_HEAD = HEAD | {"components": SUBJECT.component_file}
"""What every rule reads about a family, on request of any."""
MEASURED = files("cameras") | {"photographs": each("dataset/{expression}")}
"""What every rule reads that measures renderings of any frame in the cameras held out."""

MAKEHUMAN = "resources/retrieved/makehuman_head.npz"
"""The CC0 head: the demo's, and the template of ARKit's blendshapes."""
CANONICAL_FACE = from_here(ROOT / "resources" / "landmarks" / "canonical.csv")
"""Landmarks of the template; moved folders rerun nothing."""
FACE_NETWORKS = {
    "detector": "resources/retrieved/face_detection_short_range.tflite",
    "mesh": "resources/retrieved/face_landmark.tflite",
}
"""What finds faces and their points in photographs."""
IRIS_NETWORK = "resources/retrieved/iris_landmark.tflite"
"""What finds lids and irises around an eye."""


def reported(path, caption, category, **labels):
    """A result that the report shows, with a caption of workflow/report; of a family under its name."""
    families = {"family": "{family}"} if "{family}" in path else {}
    return report(results(path), caption=f"../report/{caption}.rst", category=category, labels=families | labels)


def figure(name, category, content):
    """A figure of the report."""
    return reported(f"evaluation/figures/{name}.png", name, category, content=content)


def dataset_of_cameras(wildcards, input):
    """The folder of the data set, as a param of rules that read its cameras."""
    return str(Path(input.cameras).parent)


# What jobs ask for


def gpu(count=1):
    """How many GPUs a rule that can use `count` asks for."""
    return count * int(kind_of(CFG.device, driver_is_here) == "cuda")


def memory(mib):
    """Memory for the first attempt; a retried job gets as much again, for running out of it is the usual reason."""
    return lambda wildcards, attempt: attempt * mib


def threads_of_large(count):
    """Threads of a job that is worth `count` of them at full size; the demo's small jobs run side by side instead."""
    return 1 if CFG.capture.source == "demo" else count


def fit_threads(cpu):
    """Cores of a fit: on the CPU `cpu`; on a GPU, for decoding photographs, its share of those that this call has."""
    if not gpu():
        return cpu
    given = {name: resource.value for name, resource in workflow.global_resources.items()}
    if "gpu" not in given or given["_cores"] is None:  # a cluster's job, which has its cores to itself
        return 8
    return max(2, min(16, given["_cores"] // max(1, given["gpu"])))


def check_gpus():
    """Snakemake gives a job no more of a limited resource than there is, and says nothing: then two GPUs are one."""
    limit = {name: resource.value for name, resource in workflow.global_resources.items()}.get("gpu")
    wanted = gpu(CFG.learned.devices)
    if workflow.is_main_process and limit is not None and limit < wanted:
        sys.exit(
            f"error: learned.devices: got {wanted}, but jobs of this run may use {limit} GPUs at a time; say so by "
            f"--resources gpu={wanted} (or more), or lower learned.devices."
        )


check_gpus()

# What a run does with all of its rules

KNOWN_FILES = f".snakemake/splatrig/{CFG.subject}.json"
"""What the last run that ended well knew of files."""
DIGESTS = Digests.load(KNOWN_FILES)
RESOURCES = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text(encoding="utf-8"))
ENVIRONMENTS = []
"""Conda environments, each with the number of rules before those that have it."""


def environment(name):
    """Name the conda environment, a file of envs, of the rules below that name none."""
    ENVIRONMENTS.append((len(list(workflow.rules)), ROOT / "envs" / f"{name}.yaml"))


def resources_of(rule):
    """The resources of a rule's script, without those that the rule itself or the command line sets."""
    asked = dict(RESOURCES.get(Path(rule.script).stem, {}))
    values = {"mem_mb": memory(asked.get("mem_mb")), "runtime": asked.get("runtime"), "gpu": gpu()}
    own = rule.ruleinfo.resources[1] if rule.ruleinfo.resources else {}
    set_otherwise = {*own, *workflow.resource_settings.overwrite_resources.get(rule.name, {})}
    return {name: values[name] for name in asked if name not in set_otherwise}


def complete_rules():
    """Give all rules that run a script what each of them has, so that none can forget it.

    The log and the table of time and memory are named after rule and wildcards. The param `lib` is a digest of the
    library code that the script uses: an edited module reruns what it feeds. Rules with a param `lib` keep their own.
    """
    for number, made in enumerate(list(workflow.rules)):
        if made.docstring:
            made.message = made.message or made.docstring.splitlines()[0]
        if made.script is None:
            continue
        place = Path(made.name, *(f"{{{name}}}" for name in sorted(made.wildcard_names)))
        made.log_modifier = made.benchmark_modifier = workflow.modifier.path_modifier
        made.set_log(SUBJECT.logs(f"{place}.log"))
        if made.output:
            made.benchmark = SUBJECT.logs(f"benchmarks/{place}.tsv")
        made.conda_env = made.conda_env or str([path for start, path in ENVIRONMENTS if start <= number][-1])
        made.resources.update(resources_of(made))
        if IN_PLACE or CFG.capture.source == "photographs":
            made.set_params(**{STATE: state_of_inputs(made.input, CFG.capture.root, RAW, DIGESTS)})
        if "lib" not in made.params.keys():
            made.set_params(lib=library_digest(ROOT / "workflow" / "scripts" / Path(made.script).name))


def job_logs():
    """The logs of all jobs, in the order of their names."""
    return sorted({str(path) for job in workflow.dag.jobs for path in job.log})


def record_provenance():
    """Write where every result of the run that just ended comes from."""
    jobs = [
        Job(
            job.rule.name,
            job.wildcards_dict,
            {name: value for name, value in job.params.items() if name != STATE},
            tuple(map(from_here, job.input)),
            tuple(map(from_here, job.output)),
            str(job.log[0]) if job.log else None,
        )
        for job in workflow.dag.jobs
        if job.output
    ]
    about = run_description(ROOT, CFG.subject, CFG.model_dump())
    write_provenance(results("provenance.json"), jobs, about, KNOWN_FILES)

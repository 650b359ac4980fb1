# What the rules of one subject and those of a cohort share: paths below the name WHOSE, params of CFG, logs, provenance.

import os
import re
import sys
import time

from splatrig.io.errors import InputError
from splatrig.jobs.digest import library_digest
from splatrig.jobs.cache import STATE
from splatrig.jobs.provenance import Digests, Job, run_description, write_provenance

STARTED = time.time()
ROOT = Path(workflow.basedir)
PREFIX = workflow.modifier.modify_rulename("")
"""What the names of the rules begin with: of a subject of a cohort, its name."""
RULES = workflow.modifier.rules
"""The rules of this subject, without those of the others of a cohort."""
PARTS = {}
"""Of a cohort, the modules of its subjects by name."""

# Paths


def results(path):
    """A path in the results of this subject."""
    return f"results/{WHOSE}/{path}"


def logs(path):
    """The path of a log."""
    return f"logs/{WHOSE}/{path}"


def benchmarks(path):
    """The path of a benchmark table."""
    return f"logs/{WHOSE}/benchmarks/{path}"


def from_here(path):
    """A path relative to the working directory where that is above it: the same name on every machine."""
    return str(path).removeprefix(f"{Path.cwd()}/")


def reported(path, caption, category, **labels):
    """A result that the report shows, with a caption of workflow/report; of a family under its name."""
    families = {"family": "{family}"} if "{family}" in path else {}
    return report(results(path), caption=f"../report/{caption}.rst", category=category, labels=families | labels)


# Retrieved files, which all subjects read

MAKEHUMAN = "resources/retrieved/makehuman_head.npz"
"""The CC0 head: the demo's, and the template of ARKit's blendshapes."""

FACE_NETWORKS = {
    "detector": "resources/retrieved/face_detection_short_range.tflite",
    "mesh": "resources/retrieved/face_landmark.tflite",
}
"""What finds faces and their points in photographs."""

IRIS_NETWORK = "resources/retrieved/iris_landmark.tflite"
"""What finds lids and irises around an eye."""

NETWORKS_LICENSE = "resources/retrieved/mediapipe_LICENSE.txt"

RENDERER = "resources/retrieved/web_renderer.zip"
"""three.js and Spark, which render the web head."""

LITERT = "resources/retrieved/litert.zip"
"""LiteRT.js, which runs networks in the web head."""

WEB = Path(from_here(ROOT / "workflow" / "web"))
"""The sources of the web head."""

# Params


def only_for(wildcard, prefix, value):
    """A value as params of the jobs whose wildcard begins so, and None of the others, which do not depend on it."""

    def of(wildcards):
        if not getattr(wildcards, wildcard).startswith(prefix):
            return None
        return value(wildcards) if callable(value) else value

    return of


def support_map(support):
    """The parameters of one support map alone: with another one changed, nothing changes."""
    return CFG.components.sldc.supports.used[support].model_dump()


def sldc_options(sparsity):
    """Which sparse localized components are asked for, by the names of the library's options."""
    asked = CFG.components.sldc
    return {
        "k": CFG.components.k,
        "lambda_": sparsity,
        "distance": asked.distance,
        "weights": asked.weights,
        "centers": asked.centers,
        "symmetric": asked.symmetric,
    }


# Resources


def memory(mib):
    """Memory for the first attempt; a retried job gets as much again, for running out of it is the usual reason."""
    return lambda wildcards, attempt: attempt * mib


# What a run does with all of its rules


def complete_rules(state=None):
    """Give all rules that run a script what each of them has, so that none can forget it.

    That is a log and a table of time and memory, named after rule and wildcards, and among the params a digest of the
    library code that the script uses: an edited module reruns what it feeds. Rules with a param `lib` keep their own.
    With `state`, the function of a rule that it returns is a param as well.
    """
    for made in list(RULES):
        if made.script is None:
            continue
        own = made.name.removeprefix(PREFIX)
        place = Path(own, *(f"{{{name}}}" for name in sorted(made.wildcard_names)))
        made.log_modifier = made.benchmark_modifier = workflow.modifier.path_modifier
        made.set_log(logs(f"{place}.log"))
        if made.output:
            made.benchmark = benchmarks(f"{place}.tsv")
        if state is not None:
            made.set_params(**{STATE: state(made)})
        if "lib" not in made.params.keys():
            made.set_params(lib=library_digest(ROOT / "workflow" / "scripts" / Path(made.script).name))
        if PREFIX and own in workflow.group_settings.overwrite_groups:
            made.group = workflow.group_settings.overwrite_groups[own]


def own_jobs():
    """The jobs of the rules of this subject."""
    return [job for job in workflow.dag.jobs if job.rule in RULES]


def job_logs():
    """The logs of all jobs, in the order of their names."""
    return sorted({str(path) for job in workflow.dag.jobs for path in job.log})


def record_provenance():
    """Write where every result of this subject comes from, after a run that ended well."""
    jobs = [
        Job(
            job.rule.name.removeprefix(PREFIX),
            job.wildcards_dict,
            {name: value for name, value in job.params.items() if name != STATE},
            tuple(map(from_here, job.input)),
            tuple(map(from_here, job.output)),
            str(job.log[0]) if job.log else None,
        )
        for job in own_jobs()
        if job.output
    ]
    about = run_description(ROOT, WHOSE, DESCRIBED)
    write_provenance(results("provenance.json"), jobs, about, KNOWN_FILES)

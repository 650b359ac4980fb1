# What every stage uses: the typed configuration, paths, names, and digests of library code.

import re
import time
import yaml

from splatrig.capture.release import available_segments, choose_segments
from splatrig.capture.demo.rig import camera_names
from splatrig.capture.krt import read_krt
from splatrig.components.fields import ATTRIBUTE_OF, ATTRIBUTES
from splatrig.config.checks import check_config, check_families, check_names, with_components_capped
from splatrig.config.load import load_config
from splatrig.config.names import level_names
from splatrig.config.rasterizers import BACKENDS
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.jobs.device_kind import driver_is_here, kind_of
from splatrig.jobs.digest import library_digest
from splatrig.io.errors import InputError
from splatrig.jobs.provenance import Job, run_description, write_provenance

STARTED = time.time()
ROOT = Path(workflow.basedir)
ATTRIBUTE = "|".join(ATTRIBUTES)
SOURCES = sorted(path.stem for path in (ROOT / "workflow" / "rules" / "sources").glob("*.smk"))


def _available(typed):
    """The segments that there are to choose from, or None when nothing tells them before the run."""
    capture = typed.capture
    if capture.source == "multiface":
        return available_segments(
            ROOT / "resources" / "multiface" / f"{capture.entity}.yaml",
            Path(capture.root) / "archives" / "release.csv",
            capture.download.links,
        )
    if capture.source != "local":
        return None
    missing = [name for name in ("KRT", "images", "tracked_mesh") if not (Path(capture.root) / name).exists()]
    if missing:
        raise InputError(
            f"capture.root: {capture.root} has no {' and no '.join(missing)}, expected a capture in Multiface's layout "
            "for capture.source: local; name its folder, or add what is missing (docs/captures.md)."
        )
    folder = Path(capture.root) / "tracked_mesh"
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _expressions(typed):
    """The segments to use: a list, those of a preset that the capture has, or all that it has."""
    capture, available = typed.capture, _available(typed)
    if capture.expressions == "all":
        if available is None:
            raise InputError(
                f"capture.expressions: all needs a list of what there is, and capture.source: {capture.source} gives "
                "none before the run; list the segments instead."
            )
        return available
    if isinstance(capture.expressions, str):
        path = ROOT / "resources" / "expressions" / f"{capture.expressions}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml")))
            raise InputError(
                f"capture.expressions: no preset named {capture.expressions!r}; there are {known}, or give a list, or all."
            )
        preset = list(yaml.safe_load(path.read_text(encoding="utf-8")))
    else:
        preset = capture.expressions
    return preset if available is None else choose_segments(capture.expressions, preset, available)


def _camera_names(typed):
    """The names of all cameras where they are known before the run, else None."""
    krt = Path(typed.capture.root) / "KRT"
    if typed.capture.source == "demo":
        return camera_names(typed.demo.cameras)
    return list(read_krt(krt)) if krt.is_file() else None


def _tracked(capture, expressions):
    """How many tracked meshes there are of each expression, where the capture is there before the run."""
    if capture.source != "local":
        return {}
    folders = {name: Path(capture.root) / "tracked_mesh" / name for name in expressions}
    return {name: len(list(folder.glob("*.obj"))) for name, folder in folders.items() if folder.is_dir()}


def _configure():
    """The typed configuration, its expressions, checked; bad input ends here, before anything is written."""
    try:
        typed = load_config(config, ROOT / "workflow" / "presets")
        check_names(typed, SOURCES, list(BACKENDS), list(ATTRIBUTES), list(ATTRIBUTE_OF.values()))
        for what, path in (("the folder of splatrig", ROOT), ("capture.root", typed.capture.root)):
            if set(str(path)) & set("{}"):
                raise InputError(f"{what}: {path} has braces, which are wildcards to Snakemake; rename or link it.")
        expressions = _expressions(typed)
        check_config(typed, expressions, _camera_names(typed))
        typed, few = with_components_capped(typed, expressions, _tracked(typed.capture, expressions))
    except InputError as error:
        sys.exit(f"error: {error}")
    if few and workflow.is_main_process:
        sys.stderr.write(f"{few}\n")
    return typed, expressions


CFG, EXPRESSIONS = _configure()
config.update(CFG.model_dump())  # for the captions of the report
LEVELS = level_names(CFG.mesh.subdivisions)
BASE, FINEST = LEVELS[0], LEVELS[-1]


wildcard_constraints:
    expression="[A-Za-z0-9][A-Za-z0-9_.-]*",
    level="|".join(LEVELS),
    attribute=ATTRIBUTE,
    support="|".join(SUPPORT_MAPS),


def level_called(level):
    """The level that a user names, `finest` among them."""
    return FINEST if level == "finest" else level


def capture_path(path):
    """A path in the raw capture."""
    return f"{CFG.capture.root}/{path}"


def raw_extra(name):
    """A file of the raw capture that not every source has, as an input: no file where it lacks it."""
    return capture_path(name) if name in RAW_EXTRAS else []


def results(path):
    """A path in the results of this subject."""
    return f"results/{CFG.subject}/{path}"


def logs(path):
    """The path of a log."""
    return f"logs/{CFG.subject}/{path}"


def benchmarks(path):
    """The path of a benchmark table."""
    return f"logs/{CFG.subject}/benchmarks/{path}"


def threads_of_large(count):
    """Threads of a job that is worth `count` of them at full size; the demo's small jobs run side by side instead."""
    return 1 if CFG.capture.source == "demo" else count


def gpu(count=1):
    """How many GPUs a rule that can use `count` asks for."""
    return count * int(kind_of(CFG.device, driver_is_here) == "cuda")


def _check_gpus():
    """Snakemake gives a job no more of a limited resource than there is, and says nothing: then two GPUs are one."""
    limit = {name: resource.value for name, resource in workflow.global_resources.items()}.get("gpu")
    wanted = gpu(CFG.learned.devices)
    if workflow.is_main_process and limit is not None and limit < wanted:
        sys.exit(
            f"error: learned.devices: got {wanted}, but jobs of this run may use {limit} GPUs at a time; say so by "
            f"--resources gpu={wanted} (or more), or lower learned.devices."
        )


_check_gpus()


def memory(mib):
    """Memory for the first attempt; a retried job gets as much again, for running out of it is the usual reason."""
    return lambda wildcards, attempt: attempt * mib


def fit_threads(cpu):
    """Cores of a fit: on the CPU `cpu`; on a GPU, for decoding photographs, its share of those that this call has."""
    if not gpu():
        return cpu
    given = {name: resource.value for name, resource in workflow.global_resources.items()}
    if "gpu" not in given or given["_cores"] is None:  # a cluster's job, which has its cores to itself
        return 8
    return max(2, min(16, given["_cores"] // max(1, given["gpu"])))


def fit_steps(steps):
    """The steps of a fit that takes `steps` by the recipe `warm`."""
    return CFG.fitting.original_steps if CFG.fitting.recipe == "original" else steps


def stage_plates():
    """The photographs of the empty stage, where the capture has them."""
    return [results("dataset_plates")] if CFG.capture.background == "plate" else []


def only_for(wildcard, prefix, value):
    """A value as params of the jobs whose wildcard begins so, and None of the others, which do not depend on it."""
    return lambda wildcards: value if getattr(wildcards, wildcard).startswith(prefix) else None


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


def attributes_side_by_side(wildcards):
    """The attributes side by side in a component file: all of the matrix of all attributes, or one."""
    return CFG.components.attributes if wildcards.attribute == "all" else [wildcards.attribute]


def named_units():
    """The file of known face units that components are named after, as an input, if there is one."""
    if CFG.components.units != "auto":
        return {} if CFG.components.units is None else {"units": CFG.components.units}
    return {"units": capture_path("truth.csv")} if CFG.capture.source == "demo" else {}


def _from_here(path):
    """A path relative to the working directory where that is above it: the same name on every machine."""
    return str(path).removeprefix(f"{Path.cwd()}/")


def job_logs():
    """The logs of all jobs, in the order of their names."""
    return sorted({str(path) for job in workflow.dag.jobs for path in job.log})


def record_provenance():
    """Write where every result of the run that just ended comes from."""
    jobs = [
        Job(
            job.rule.name,
            job.wildcards_dict,
            dict(job.params.items()),
            tuple(map(_from_here, job.input)),
            tuple(map(_from_here, job.output)),
            str(job.log[0]) if job.log else None,
        )
        for job in workflow.dag.jobs
        if job.output
    ]
    about = run_description(ROOT, CFG.subject, CFG.model_dump())
    write_provenance(results("provenance.json"), jobs, about, f".snakemake/splatrig/{CFG.subject}.json")


def complete_rules():
    """Give all rules that run a script what each of them has, so that none can forget it.

    That is a log and a table of time and memory, named after rule and wildcards, and among the params a digest of the
    library code that the script uses: an edited module reruns what it feeds. Rules with a param `lib` keep their own.
    """
    for made in list(workflow.rules):
        if made.script is None:
            continue
        place = Path(made.name, *(f"{{{name}}}" for name in sorted(made.wildcard_names)))
        made.log_modifier = made.benchmark_modifier = workflow.modifier.path_modifier
        made.set_log(logs(f"{place}.log"))
        if made.output:
            made.benchmark = benchmarks(f"{place}.tsv")
        if "lib" not in made.params.keys():
            made.set_params(lib=library_digest(ROOT / "workflow" / "scripts" / Path(made.script).name))

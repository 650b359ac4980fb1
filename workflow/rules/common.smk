# What every stage uses: the typed configuration, names, paths, inputs and resources that rules share.

import os
import re
import time

from splatrig.capture.formats import READ_IN_PLACE, open_capture
from splatrig.capture.sources import check_masks, chosen_expressions, given_photographs, known_cameras, tracked_frames
from splatrig.components.fields import ATTRIBUTE_OF, ATTRIBUTES
from splatrig.config.checks import check_config, check_families, check_names, with_components_capped
from splatrig.config import names
from splatrig.config.load import load_config
from splatrig.config.rasterizers import BACKENDS
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.evaluation import plan
from splatrig.io.errors import InputError
from splatrig.io.files import as_paths, first_path, sha256_of_value
from splatrig.jobs.device_kind import driver_is_here, kind_of
from splatrig.jobs.cache import STATE
from splatrig.jobs.digest import library_digest
from splatrig.jobs.provenance import Digests, Job, run_description, write_provenance

STARTED = time.time()
ROOT = Path(workflow.basedir)
SOURCES = sorted(path.stem for path in (ROOT / "workflow" / "rules" / "sources").glob("*.smk"))
ATTRIBUTE = "|".join(ATTRIBUTES)
NAME = "[A-Za-z0-9][A-Za-z0-9_.-]*"
TRACK = "[A-Za-z0-9_./-]+"
FAMILIES = {
    "pca": [*ATTRIBUTES, "all"],
    "mbspca": [*ATTRIBUTES],
    "sldc": [f"{support}_{attribute}" for support in SUPPORT_MAPS for attribute in (*ATTRIBUTES, "all")],
    "learned": ["arkit", "global", "local"],
}
"""By kind the names of the families that rules make."""


def _configure():
    """The typed configuration and its expressions, checked; bad input ends here, before anything is written."""
    try:
        typed = load_config(config, ROOT / "workflow" / "presets")
        check_names(typed, SOURCES, list(BACKENDS), list(ATTRIBUTES), list(ATTRIBUTE_OF.values()))
        check_families(typed, {kind: [f"{kind}_{name}" for name in made] for kind, made in FAMILIES.items()})
        for what, path in (("the folder of splatrig", ROOT), ("capture.root", typed.capture.root)):
            if set(str(path)) & set("{}"):
                raise InputError(f"{what}: {path} has braces, which are wildcards to Snakemake; rename or link it.")
        expressions = chosen_expressions(typed, ROOT / "resources")
        check_config(typed, expressions, known_cameras(typed))
        check_masks(typed, expressions)
        typed, few = with_components_capped(typed, expressions, tracked_frames(typed, expressions))
    except InputError as error:
        sys.exit(f"error: {error}")
    if few and workflow.is_main_process:
        sys.stderr.write(f"{few}\n")
    return typed, expressions


CFG, EXPRESSIONS = _configure()
config.update(CFG.model_dump())  # for the captions of the report
LEVELS = names.level_names(CFG.mesh.subdivisions)
BASE, FINEST = LEVELS[0], LEVELS[-1]
K = CFG.components.k
SUPPORTS = list(CFG.components.sldc.supports.used)
COMPARED = plan.compared(CFG, LEVELS)
# Without the components that are carried up
SELF_FOUND = [(method, level) for method, level in COMPARED if not method.startswith("upsampled_")]
FOLDS = plan.folds(CFG, EXPRESSIONS)


wildcard_constraints:
    expression=NAME,
    level="|".join(LEVELS),
    attribute=f"all|{ATTRIBUTE}",
    support="|".join(SUPPORT_MAPS),
    method=f"(upsampled_)?({'|'.join(FAMILIES)})_[a-z_]+",
    family=f"({'|'.join(FAMILIES)})_[a-z_]+",
    source_family=f"({'|'.join(FAMILIES)})_[a-z_]+",
    fold=NAME,
    source=NAME,
    track=TRACK,


RAW = {}
"""By name in the raw layout the files that stand for it, of a source that has another one; of some, by segment."""
IN_FOLDERS = ("images", "labels", "masks", "plates", "tracked_mesh")
"""Names in the raw layout that stand for many files."""
IN_PLACE = CFG.capture.source in READ_IN_PLACE and CFG.capture.entity is None
"""Whether the files of the raw capture are yours, and no rule makes them."""
KNOWN_FILES = f".snakemake/splatrig/{CFG.subject}.json"
"""What the last run that ended well knew of files."""
DIGESTS = Digests.load(KNOWN_FILES)
BUCKET = (
    workflow.storage_settings.default_storage_prefix if workflow.storage_settings.default_storage_provider else None
)
"""Where the files of the run are, if not in its folder: a prefix of Snakemake's storage."""

# Paths


def capture_path(path):
    """A path in the raw capture; of photographs alone, in what is made of them."""
    return results(f"capture/{path}") if CFG.capture.source == "photographs" else f"{CFG.capture.root}/{path}"


def raw(name, expression=None):
    """A file or folder of the raw layout, or what stands for it in another format, as an input."""
    by_segment = RAW.get(name)
    if isinstance(by_segment, dict):
        if expression == "{expression}":
            return lambda wildcards: raw(name, wildcards.expression)
        paths = [by_segment[expression]] if expression else list(by_segment.values())
    else:
        paths = by_segment or [name if expression is None else f"{name}/{expression}"]
    found = [path if Path(path).is_absolute() else capture_path(path) for path in paths]
    if IN_PLACE:
        found = [local(ancient(path) if name in IN_FOLDERS else path) for path in found]
    return found if name in RAW else found[0]


def raw_of_all(name):
    """The folder of every expression in the raw layout, or what stands for them."""
    return raw(name) if name in RAW else [raw(name, expression) for expression in EXPRESSIONS]


def captured(rule):
    """What gives, by a job's wildcards, the state of your files among the inputs of a rule.

    The time of a folder does not tell whether a file in it was replaced. Snakemake compares no param that is made of
    a job's inputs, so they are looked up again.
    """
    others = [path for made in RAW.values() for path in (made.values() if isinstance(made, dict) else made)]
    places = [CFG.capture.root, *(path for path in others if Path(path).is_absolute())]
    roots = tuple(f"{os.path.normpath(place)}/" for place in places)

    def state(wildcards):
        here = [item for item in rule.input if not getattr(item, "is_storage", False)]
        found = [item(wildcards) if callable(item) else item.format(**dict(wildcards.items())) for item in here]
        paths = [os.path.normpath(path) for item in found for path in as_paths(item)]
        yours = [from_here(path) for path in paths if f"{path}/".startswith(roots)]
        return sha256_of_value([DIGESTS.state(path) for path in yours]) if yours else None

    return state


def those_there(*names):
    """Those of some optional files of the raw layout that a capture of yours has, or has what stands for them."""
    return [name for name in names if all(path.exists() for path in as_paths(raw(name)))]


def raw_extra(name):
    """A file of the raw capture that not every source has, as an input: no file where it lacks it."""
    return raw(name) if name in RAW_EXTRAS else []


def labels():
    """The labels of the photographs, where the capture has them, with what tells their sizes and lenses, as inputs.

    A folder of yours may have some expressions' alone.
    """
    paths = raw_of_all("labels") if "labels" in RAW_EXTRAS else []
    there = [path for path in paths if CFG.capture.source != "local" or Path(path).is_dir()]
    return {"labels": there, **({"krt": raw("KRT"), "images": raw_of_all("images")} if there else {})}


def results(path):
    """A path in the results of this subject."""
    return f"results/{CFG.subject}/{path}"


def logs(path):
    """The path of a log."""
    return f"logs/{CFG.subject}/{path}"


def benchmarks(path):
    """The path of a benchmark table."""
    return f"logs/{CFG.subject}/benchmarks/{path}"


def level_called(level):
    """The level that a user names, `finest` among them."""
    return FINEST if level == "finest" else level


def family_level(family):
    """The level at which a family is learned and shown."""
    return plan.BASE if family.startswith("mbspca_") else FINEST


def component_file(wildcards):
    """The component file of a family at its level."""
    return results(f"components/{family_level(wildcards.family)}/{wildcards.family}.h5")


def reported(path, caption, category, **labels):
    """A result that the report shows, with a caption of workflow/report; of a family under its name."""
    families = {"family": "{family}"} if "{family}" in path else {}
    return report(results(path), caption=f"../report/{caption}.rst", category=category, labels=families | labels)


def figure(name, category, content):
    """A figure of the report."""
    return reported(f"evaluation/figures/{name}.png", name, category, content=content)


# Inputs


def from_here(path):
    """A path relative to the working directory or the bucket where that is above it: the same name on every machine."""
    if getattr(path, "is_storage", False):
        return path.storage_object.query.removeprefix(f"{BUCKET.rstrip('/')}/")
    return str(path).removeprefix(f"{Path.cwd()}/")


def source(*parts):
    """A file among the sources, as an input: these travel with a job, and are in no bucket."""
    return local(from_here(ROOT.joinpath(*parts)))


HEAD = {"neutral": results("gaussians/neutral.h5"), "template": results("template/template.h5")}
"""What every rule about Gaussians on the mesh reads."""
SCENE = HEAD | {"cameras": results("dataset/cameras.json"), "dataset": results(f"dataset/{CFG.neutral}")}
"""What every rule reads that renders the head in front of the capture's cameras."""

MAKEHUMAN = "resources/retrieved/makehuman_head.npz"
"""The CC0 head: the demo's, and the template of ARKit's blendshapes."""

CANONICAL_FACE = source("resources", "landmarks", "canonical.csv")
"""Landmarks of the template; moved folders rerun nothing."""

FACE_NETWORKS = {
    "detector": "resources/retrieved/face_detection_short_range.tflite",
    "mesh": "resources/retrieved/face_landmark.tflite",
}
"""What finds faces and their points in photographs."""

IRIS_NETWORK = "resources/retrieved/iris_landmark.tflite"
"""What finds lids and irises around an eye."""

MEASURED = {
    "cameras": results("dataset/cameras.json"),
    "photographs": expand(results("dataset/{expression}"), expression=EXPRESSIONS),
}
"""What every rule reads that measures renderings of any frame in the cameras held out."""


def for_plates(paths):
    """What plates are computed from, as an input where the capture brings none."""
    return [] if "plates" in RAW_EXTRAS else paths


def stage_plates():
    """Images of the empty stage, where mattes and backgrounds come from them."""
    return [results("dataset_plates")] if CFG.capture.background == "plate" else []


def photographs(expressions, frames="frames.csv"):
    """What every rule reads that compares renderings with photographs, of a list of expressions or by a function."""
    return {
        **HEAD,
        "cameras": results("dataset/cameras.json"),
        "frames": results(frames),
        "photographs": expressions if callable(expressions) else expand(results("dataset/{name}"), name=expressions),
        "plates": stage_plates(),
    }


def fitted():
    """The fitted frames of all expressions."""
    return expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS)


def truth(**files):
    """Inputs or outputs that only the demo has, whose true weights are known."""
    return files if CFG.capture.source == "demo" else {}


def named_units():
    """The file of known face units that components are named after, as an input, if there is one."""
    if CFG.components.units != "auto":
        return {} if CFG.components.units is None else {"units": local(CFG.components.units)}
    blendshapes = {"units": results("blendshapes/arkit.npz")} if "arkit" in CFG.learned.families else {}
    return truth(units=capture_path("truth.csv")) or blendshapes


def known_weights(method):
    """The true weights of the frames, which drive a rig whose components have the names of the demo's face units."""
    return list(truth(weights=capture_path("truth.csv")).values()) if method == "learned_arkit" else []


def free_gaussians(path="components/free.h5"):
    """The free Gaussians of learned rigs, where the configuration wants them."""
    return [results(path)] if CFG.learned.free else []


def for_blendshapes(path):
    """A file that the components of the tracked meshes under ARKit's names need, as an input of these alone."""
    return lambda wildcards: [path] if wildcards.algorithm == "arkit" else []


def gaze():
    """Where eyes look, of all frames, as an input of what finds and learns free Gaussians."""
    return [results("landmarks/gaze.csv")] if CFG.learned.free else []


def every_fold(path):
    """`path` for every fold, of every learned rig and of the PCA of all attributes, which is shown in the same way."""
    return expand(results(path), fold=FOLDS, method=["pca_all", *(f"learned_{name}" for name in CFG.learned.families)])


def photographs_without(wildcards):
    """The photographs and tracked meshes of all expressions but the one left out."""
    return [results(f"dataset/{name}") for name in EXPRESSIONS if name != wildcards.fold]


def image_tables():
    """The tables of rendered reconstructions: of every method, of left-out expressions, of held-out expressions."""
    tables = [results(f"evaluation/images/{level}/{method}.csv") for method, level in COMPARED]
    tables += expand(results("evaluation/images/left_out/{method}.csv"), method=plan.swept(CFG))
    tables += every_fold("evaluation/images/folds/{fold}/{method}.csv")
    return tables + ([results("evaluation/images/unseen.csv")] if CFG.capture.held_out.expressions else [])


def learning_jobs():
    """Method, level, k and the benchmarks of the jobs that make it: what its run time is read from."""
    fits = [benchmarks(f"fit_expression/{name}.tsv") for name in EXPRESSIONS]
    jobs = [{"method": "fits", "level": FINEST, "k": 0, "benchmarks": fits}]
    for method, level in COMPARED:
        family, _, rest = method.partition("_")
        job = {
            "upsampled": f"upsample_pca/{level}",
            "learned": f"learn_rig/{rest}",
            "sldc": f"compute_sldc/{rest.partition('_')[2]}/{level}/{rest.partition('_')[0]}",
        }.get(family, f"compute_{family}/{rest}/{level}")
        k = plan.sparse_pca_count(K) if family == "mbspca" else K
        jobs.append({"method": method, "level": level, "k": k, "benchmarks": [benchmarks(f"{job}.tsv")]})
    return jobs


def learning_benchmarks():
    """The benchmarks of the jobs that make the methods, as inputs where a job has none but its inputs.

    In the run's own folder they are read if they are there: deleted logs make no fit run again.
    """
    return [path for job in learning_jobs() for path in job["benchmarks"]] if BUCKET else []


def learned_rigs():
    """The component files of the learned rigs."""
    return expand(results(f"components/{FINEST}/learned_{{family}}.h5"), family=CFG.learned.families)


def of_control(path, **wildcards):
    """A file for each family that moves the head together."""
    return expand(results(path), family=CFG.control.families, **wildcards)


def webcam_page():
    """The web head that reads a webcam, where one of its families can follow it."""
    wanted = CFG.control.web_head and "learned_arkit" in CFG.control.families
    return results("control/head_webcam.html") if wanted else []


def control_inputs():
    """What every rule about a family's weights reads."""
    return HEAD | {"components": component_file, "panel": results("control/panels/{family}.json")}


def driving_file(wildcards):
    """The file of weights that drives a head: a CSV, or a JSON where there is none."""
    csv, json = (f"resources/driving/{wildcards.performance}.{suffix}" for suffix in ("csv", "json"))
    return local(json if Path(json).is_file() and not Path(csv).is_file() else csv)


def driving_settings(wildcards):
    """The settings of a driving file, which it may have."""
    path = f"resources/driving/{wildcards.performance}.yaml"
    return [local(path)] if Path(path).is_file() else []


def tracks_of_poses(poses, family):
    """The tracks that exported poses are moments of; other poses need none."""
    tracks = [names.track_of_pose(pose, EXPRESSIONS) for pose in poses]
    return [results(f"control/tracks/{family}/{track}.csv") for track in tracks if track]


def exported_poses(wildcards):
    """All files of the poses of a complete run."""
    path = results(f"export/{wildcards.family}/poses/{{pose}}.{{suffix}}")
    return expand(path, pose=CFG.export.poses, suffix=["ply", "spz", "glb"])


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


def attributes_side_by_side(wildcards):
    """The attributes side by side in a component file: all of the matrix of all attributes, or one."""
    return CFG.components.attributes if wildcards.attribute == "all" else [wildcards.attribute]


def fit_steps(steps):
    """The steps of a fit that takes `steps` by the recipe `warm`."""
    return CFG.fitting.original_steps if CFG.fitting.recipe == "original" else steps


def photometry():
    """How renderings are made and compared with photographs."""
    return {
        "sh_degree": CFG.fitting.sh_degree,
        "rasterizer": CFG.fitting.rasterizer,
        "background": CFG.capture.background,
        "device": CFG.device,
    }


def learning(steps):
    """How a rig is learned in so many steps, whichever components it starts from."""
    return {
        "attributes": CFG.components.attributes,
        "level": level_called(CFG.learned.level),
        "steps": steps,
        "photographs_per_step": CFG.learned.photographs_per_step,
        "back_faces": CFG.learned.back_faces,
        "dropout": CFG.learned.dropout,
        "memory_gib": CFG.learned.memory_gib,
        "seed": CFG.seed,
    }


# Resources


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


# What a run does with all of its rules


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
        if IN_PLACE or CFG.capture.source == "photographs":
            made.set_params(**{STATE: captured(made)})
        if "lib" not in made.params.keys():
            made.set_params(lib=library_digest(ROOT / "workflow" / "scripts" / Path(made.script).name))


def job_logs():
    """The logs of all jobs, in the order of their names."""
    return sorted({str(path) for job in workflow.dag.jobs for path in job.log})


def brought_log(name):
    """The path of a job's log, by the name that Snakemake gives it; brought from the bucket if it is there."""
    if not BUCKET:
        return name
    for path in (path for job in workflow.dag.jobs for path in job.log):
        stored = path.storage_object
        if name.startswith(f"{stored.query} ") and workflow.async_run(stored.managed_exists()):
            workflow.async_run(stored.managed_retrieve())
            return path
    return name


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
            in_bucket=BUCKET is not None,
        )
        for job in workflow.dag.jobs
        if job.output
    ]
    about = run_description(ROOT, CFG.subject, CFG.model_dump())
    write_provenance(results("provenance.json"), jobs, about, KNOWN_FILES)

# Several subjects in one graph: each is a module with its own configuration, and on top what compares them.

from snakemake.settings.types import Batch

from splatrig.capture.formats import READ_IN_PLACE
from splatrig.config.cohort import COHORT, check_folders_apart, load_subjects, subject_configs
from splatrig.config import names
from splatrig.evaluation import plan
from splatrig.jobs.call import read_call


include: "shared.smk"


WHOSE = COHORT
KNOWN_FILES = f".snakemake/splatrig/{COHORT}.json"
MANY = 32
"""Subjects of one graph above which planning it takes minutes and gigabytes (docs/operations.md)."""

try:
    CONFIGS = subject_configs(config)
    TYPED = load_subjects(CONFIGS, ROOT / "workflow" / "presets")
    captures = {name: made.capture for name, made in TYPED.items()}
    given = (*READ_IN_PLACE, "photographs")  # no rule writes into their folders, unless it downloads
    check_folders_apart({name: own.root for name, own in captures.items() if own.source not in given or own.entity})
except InputError as error:
    sys.exit(f"error: {error}")

DESCRIBED = {"subjects": {name: made.model_dump() for name, made in TYPED.items()}}
SUBJECTS = list(TYPED)
CFG = TYPED[SUBJECTS[0]]
"""The configuration of the first subject, which holds for what is made of all of them."""
LEVELS = names.level_names(CFG.mesh.subdivisions)
PORTRAITS = {results(f"heads/{name}.jpg"): name for name in SUBJECTS}
CALL = read_call(sys.argv[1:])
BATCH = Batch(*CALL.batch) if CALL.batch and CALL.batch[0] == "show_heads" and CALL.batch[2] <= len(SUBJECTS) else None
LOADED = SUBJECTS
"""The subjects whose rules are read: of a batch its own, and in the process of a job that job's."""
if CALL.jobs:
    LOADED = [name for name in SUBJECTS if CALL.only_jobs_of(name)]
elif BATCH:
    LOADED = [PORTRAITS[path] for path in BATCH.get_batch(list(PORTRAITS))]

for subject in LOADED:
    of_subject, prefix_ = f"subject {subject}", f"{subject}_"

    module:
        name: of_subject
        snakefile:
            str(ROOT / "Snakefile")
        config:
            CONFIGS[subject]

    use rule * from of_subject as prefix_*

    PARTS[subject] = globals()[of_subject]


if len(LOADED) > MANY and workflow.is_main_process:
    sys.stderr.write(
        f"subjects: one graph of {len(LOADED)} takes minutes to plan and gigabytes; --batch show_heads=1/{-(-len(LOADED) // 16)} and "
        "so on plan 16 at a time (docs/operations.md).\n"
    )

SHARED = ["pca_xyz", *(f"sldc_{support}_xyz" for support in CFG.components.sldc.supports.used)]
"""The methods whose components subjects share."""


wildcard_constraints:
    subject="|".join(map(re.escape, LOADED)) or "(?!)",
    level="|".join(LEVELS),
    method="|".join(SHARED),


include: "retrieve.smk"


rule show_subject:
    # it comes after everything else of the subject: who has an image here is finished
    input:
        everything=lambda wildcards: list(PARTS[wildcards.subject].rules.all.input),
        neutral="results/{subject}/gaussians/neutral.h5",
        cameras="results/{subject}/dataset/cameras.json",
        dataset=lambda wildcards: f"results/{wildcards.subject}/dataset/{TYPED[wildcards.subject].neutral}",
    output:
        picture=results("heads/{subject}.jpg"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        image_height=lambda wildcards: TYPED[wildcards.subject].rendering.image_height,
    message:
        "Rendering {wildcards.subject}"
    script:
        "../scripts/show_subject.py"


rule show_heads:
    # batches of subjects end here: --batch show_heads=1/16
    input:
        list(PORTRAITS),
    output:
        picture=reported("heads.jpg", "heads", "1 Cohort", content="all heads"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=10,
    params:
        subjects=SUBJECTS,
    message:
        "Showing all heads"
    script:
        "../scripts/show_heads.py"


rule compare_subjects:
    input:
        comparisons=expand("results/{name}/evaluation/comparison.csv", name=SUBJECTS),
    output:
        values=results("evaluation/by_subject.csv"),
        summary=reported("evaluation/cohort.csv", "cohort", "1 Cohort", content="means and intervals"),
        figure=reported("evaluation/cohort.png", "cohort", "1 Cohort", content="all methods, a dot per subject"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=10,
    params:
        subjects=SUBJECTS,
    message:
        "Comparing all methods over all subjects"
    script:
        "../scripts/compare_subjects.py"


rule index_heads:
    input:
        portraits=list(PORTRAITS),
        heads=[f"results/{name}/control/head.html" for name in SUBJECTS if TYPED[name].control.web_head],
        summaries=expand("results/{name}/evaluation/summary.html", name=SUBJECTS),
        values=results("evaluation/by_subject.csv"),
        summary=results("evaluation/cohort.csv"),
        figure=results("evaluation/cohort.png"),
    output:
        page=results("index.html"),
    conda:
        "../../envs/evaluation.yaml"
    params:
        subjects=SUBJECTS,
        with_head=[made.control.web_head for made in TYPED.values()],
    message:
        "Writing a page that opens every head"
    script:
        "../scripts/index_heads.py"


# Components that all subjects share; on request: snakemake shared_components


rule shared_components:
    input:
        expand(results("components/{level}/{method}.h5"), level=[LEVELS[0], LEVELS[-1]], method=SHARED),
        results("evaluation/shared.png"),


rule share_components:
    input:
        attributes=expand("results/{name}/attributes/{{level}}.h5", name=SUBJECTS),
        template=f"results/{SUBJECTS[0]}/template/template.h5",
    output:
        components=results("components/{level}/{method}.h5"),
    conda:
        "../../envs/components.yaml"
    threads: 2
    resources:
        mem_mb=memory(8000),
        runtime=60,
    params:
        support=only_for("method", "sldc_", lambda wildcards: wildcards.method.split("_")[1]),
        support_map=only_for("method", "sldc_", lambda wildcards: support_map(wildcards.method.split("_")[1])),
        sldc=only_for("method", "sldc_", sldc_options(CFG.components.sldc.sparsity)),
        seed=CFG.seed,
        method="{method}",
        subjects=SUBJECTS,
        level="{level}",
        k=CFG.components.k,
    message:
        "Learning {wildcards.method} of all subjects at level {wildcards.level}, identity taken out"
    script:
        "../scripts/share_components.py"


rule leave_out_subjects:
    input:
        attributes=expand(f"results/{{name}}/attributes/{LEVELS[0]}.h5", name=SUBJECTS),
        template=f"results/{SUBJECTS[0]}/template/template.h5",
    output:
        table=results("evaluation/shared/{method}.csv"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=240,
    params:
        support=only_for("method", "sldc_", lambda wildcards: wildcards.method.split("_")[1]),
        support_map=only_for("method", "sldc_", lambda wildcards: support_map(wildcards.method.split("_")[1])),
        sldc=only_for("method", "sldc_", sldc_options(CFG.components.sldc.sparsity)),
        seed=CFG.seed,
        method="{method}",
        subjects=SUBJECTS,
        level=LEVELS[0],
        ks=plan.curve_counts(CFG.components.k),
    message:
        "Measuring how much of a person others' components explain, {wildcards.method}"
    script:
        "../scripts/leave_out_subjects.py"


rule draw_shared:
    input:
        tables=expand(results("evaluation/shared/{method}.csv"), method=SHARED),
    output:
        table=reported("evaluation/shared.csv", "shared", "2 Shared components", content="subjects left out, table"),
        figure=reported("evaluation/shared.png", "shared", "2 Shared components", content="subjects left out"),
    conda:
        "../../envs/evaluation.yaml"
    message:
        "Drawing what other people's components explain"
    script:
        "../scripts/draw_shared.py"


complete_rules()

TARGETS = results("heads.jpg")
if BATCH is None or BATCH.is_final:
    TARGETS = [TARGETS, results("evaluation/cohort.csv"), results("index.html")]

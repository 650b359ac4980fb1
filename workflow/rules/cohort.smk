# Several subjects in one graph: each is a module with its own configuration, and on top what compares them.

import re
from functools import partial

from snakemake.settings.types import Batch

from splatrig.capture.formats import READ_IN_PLACE
from splatrig.config.cohort import COHORT, check_folders_apart, load_subjects, subject_configs
from splatrig.evaluation import plan
from splatrig.jobs.call import read_call
from splatrig.rules import params
from splatrig.rules.common import Common
from splatrig.rules.layout import Layout
from splatrig.rules.machine import Machine
from splatrig.rules.params import only_for
from splatrig.rules.raw import from_here

ROOT = Path(workflow.basedir)
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

SUBJECTS = list(TYPED)
CFG = TYPED[SUBJECTS[0]].model_copy(update={"subject": COHORT, "subjects": config["subjects"]})
"""The configuration of the first subject, which holds for what is made of all of them."""
LAYOUT = Layout(CFG, ())
COMMON = Common(workflow, LAYOUT, Machine(CFG, {}), workflow.modifier.rules)
results, environment, configured = LAYOUT.results, COMMON.environment, partial(params.configured, CFG)

PORTRAITS = {results(f"heads/{name}.jpg"): name for name in SUBJECTS}
CALL = read_call(sys.argv[1:])
BATCH = Batch(*CALL.batch) if CALL.batch and CALL.batch[0] == "show_heads" and CALL.batch[2] <= len(SUBJECTS) else None
LOADED = SUBJECTS
"""The subjects whose rules are read: of a batch its own, and in the process of a job that job's."""
if CALL.jobs:
    LOADED = [name for name in SUBJECTS if CALL.only_jobs_of(name)]
elif BATCH:
    LOADED = [PORTRAITS[path] for path in BATCH.get_batch(list(PORTRAITS))]
if len(LOADED) > MANY and workflow.is_main_process:
    batches = -(-len(LOADED) // 16)
    sys.stderr.write(
        f"subjects: to plan {len(LOADED)} in one graph takes minutes and gigabytes; --batch show_heads=1/{batches} and so "
        "on plan 16 at a time (docs/operations.md).\n"
    )
PARTS = {}
"""The modules of these subjects by name."""

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


SHARED = ["pca_xyz", *(f"sldc_{support}_xyz" for support in CFG.components.sldc.supports.used)]
"""The methods whose components subjects share."""
LEARNED = {
    **configured("seed"),
    "subjects": SUBJECTS,
    "method": "{method}",
    "support": only_for("method", "sldc_", lambda wildcards: wildcards.method.split("_")[1]),
    "support_map": only_for(
        "method", "sldc_", lambda wildcards: params.support_map(CFG, wildcards.method.split("_")[1])
    ),
    "sldc": only_for("method", "sldc_", params.sldc_options(CFG, CFG.components.sldc.sparsity)),
}
"""How components that all subjects share are learned."""


wildcard_constraints:
    subject="|".join(map(re.escape, LOADED)) or "(?!)",
    level="|".join(LAYOUT.levels),
    method="|".join(SHARED),


include: "retrieve.smk"


environment("evaluation")


rule show_subject:
    """Render {wildcards.subject}.

    All else of the subject comes before: who has an image here is finished.
    """
    input:
        everything=lambda wildcards: PARTS[wildcards.subject].TARGETS,
        neutral="results/{subject}/gaussians/neutral.h5",
        cameras="results/{subject}/dataset/cameras.json",
        dataset=lambda wildcards: f"results/{wildcards.subject}/dataset/{TYPED[wildcards.subject].neutral}",
    output:
        picture=results("heads/{subject}.jpg"),
    params:
        image_height=lambda wildcards: TYPED[wildcards.subject].rendering.image_height,
    script:
        "../scripts/show_subject.py"


rule show_heads:
    """Show all heads; batches of subjects end here, as --batch show_heads=1/16."""
    input:
        list(PORTRAITS),
    output:
        picture=report(results("heads.jpg"), caption="../report/heads.rst", category="1 Cohort"),
    params:
        subjects=SUBJECTS,
    script:
        "../scripts/show_heads.py"


rule compare_subjects:
    """Compare all methods over all subjects."""
    input:
        comparisons=expand("results/{name}/evaluation/comparison.csv", name=SUBJECTS),
    output:
        values=results("evaluation/by_subject.csv"),
        summary=report(results("evaluation/cohort.csv"), caption="../report/cohort.rst", category="1 Cohort"),
        figure=report(results("evaluation/cohort.png"), caption="../report/cohort.rst", category="1 Cohort"),
    params:
        subjects=SUBJECTS,
    script:
        "../scripts/compare_subjects.py"


rule index_heads:
    """Write a page that opens every head."""
    input:
        portraits=list(PORTRAITS),
        heads=[f"results/{name}/control/head.html" for name in SUBJECTS if TYPED[name].control.web_head],
        summaries=expand("results/{name}/evaluation/summary.html", name=SUBJECTS),
        values=results("evaluation/by_subject.csv"),
        figure=results("evaluation/cohort.png"),
    output:
        page=results("index.html"),
    params:
        subjects=SUBJECTS,
        with_head=[made.control.web_head for made in TYPED.values()],
    script:
        "../scripts/index_heads.py"


rule shared_components:
    """Learn components that all subjects share, and measure them on each subject without its own frames."""
    input:
        expand(
            results("components/{level}/{method}.h5"), level=dict.fromkeys([plan.BASE, LAYOUT.finest]), method=SHARED
        ),
        results("evaluation/shared.png"),


rule share_components:
    """Learn {wildcards.method} of all subjects at level {wildcards.level}, identity taken out."""
    input:
        attributes=expand("results/{name}/attributes/{{level}}.h5", name=SUBJECTS),
        template=f"results/{SUBJECTS[0]}/template/template.h5",
    output:
        components=results("components/{level}/{method}.h5"),
    threads: 2
    params:
        **LEARNED,
        **configured("components.k"),
        level="{level}",
    script:
        "../scripts/share_components.py"


rule leave_out_subjects:
    """Measure how much of each person the components of the others explain, {wildcards.method}."""
    input:
        attributes=expand(f"results/{{name}}/attributes/{plan.BASE}.h5", name=SUBJECTS),
        template=f"results/{SUBJECTS[0]}/template/template.h5",
    output:
        table=results("evaluation/shared/{method}.csv"),
    params:
        **LEARNED,
        level=plan.BASE,
        ks=plan.curve_counts(CFG.components.k),
    script:
        "../scripts/leave_out_subjects.py"


rule draw_shared:
    """Draw what other people's components explain."""
    input:
        tables=expand(results("evaluation/shared/{method}.csv"), method=SHARED),
    output:
        table=report(results("evaluation/shared.csv"), caption="../report/shared.rst", category="1 Cohort"),
        figure=report(results("evaluation/shared.png"), caption="../report/shared.rst", category="1 Cohort"),
    script:
        "../scripts/draw_shared.py"


COMMON.complete_rules()
TARGETS = [results("heads.jpg")]
if BATCH is None or BATCH.is_final:
    TARGETS += [results("evaluation/cohort.csv"), results("index.html")]

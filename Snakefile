"""splatrig: from a multi-view capture of a face to a rig of structured 3D Gaussians."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "lib"))

from splatrig.jobs.logs import last_words, worth_a_look


configfile: str(Path(workflow.basedir) / "config.yaml")


report: "workflow/report/workflow.rst"


onstart:
    # Snakemake 9's limit of jobs a second starts a timer at each look at the queue, and each timer looks again: a local
    # run of a hundred jobs ends with a hundred looks a second. Clusters keep the limit, for their controllers.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    record_provenance()
    if warned := worth_a_look(job_logs(), STARTED):
        sys.stderr.write(f"\n{warned}\n")


onerror:
    sys.stderr.write(f"\n{last_words(log)}\n")


include: "workflow/rules/common.smk"
include: "workflow/rules/methods.smk"
include: f"workflow/rules/sources/{CFG.capture.source}.smk"
include: "workflow/rules/capture.smk"
include: "workflow/rules/landmarks.smk"
include: "workflow/rules/template.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/attributes.smk"
include: "workflow/rules/components.smk"
include: "workflow/rules/joint.smk"
include: "workflow/rules/rendering.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/folds.smk"
include: "workflow/rules/coherence.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/web.smk"
include: "workflow/rules/video.smk"
include: "workflow/rules/export.smk"


rule all:
    default_target: True
    input:
        results("frames.csv"),
        results("template/mask.png"),
        expand(results("components/{level}/pca_all.h5"), level=LEVELS),
        expand(results(f"components/{FINEST}/pca_{{attribute}}.h5"), attribute=CFG.components.attributes),
        expand(
            results(f"components/{CFG.components.mbspca.level}/mbspca_{{attribute}}.h5"),
            attribute=CFG.components.attributes,
        ),
        expand(
            results(f"components/{FINEST}/sldc_{{support}}_{CFG.components.sldc.attribute}.h5"),
            support=CFG.components.sldc.supports,
        ),
        expand(results("components/{level}/upsampled_pca_all.h5"), level=CFG.components.upsample),
        learned_rig_files(),
        expand(results("renders/{family}/contact_sheet.jpg"), family=pictured()),
        results("evaluation/fit.csv"),
        results("evaluation/methods.csv"),
        results("evaluation/summary.html"),
        results("evaluation/figures/reconstruction.png"),
        results("evaluation/figures/worst_views.png"),
        results("evaluation/figures/coherence.png"),
        results("evaluation/figures/where_they_act.png"),
        control_files(),
        web_head(),
        video_files(),
        export_files(),

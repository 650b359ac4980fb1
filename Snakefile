"""splatrig: from a multi-view capture of a face to a rig of structured 3D Gaussians."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "lib"))

from splatrig.io.errors import InputError
from splatrig.jobs.clouds import look_again_for_folders, retry_failed_pods
from splatrig.jobs.interpreter import call_python_by_its_name, check_cluster_folder
from splatrig.jobs.logs import last_words, worth_a_look

call_python_by_its_name()
look_again_for_folders(workflow.storage_settings.default_storage_provider)


configfile: str(Path(workflow.basedir) / "config.yaml")


report: "workflow/report/workflow.rst"


onstart:
    # Snakemake 9's limit of jobs a second starts a timer at each look at the queue, and each timer looks again: a local
    # run of a hundred jobs ends with a hundred looks a second. Clusters keep the limit, for their controllers.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    else:
        retry_failed_pods(workflow.executor_plugin.name)
        try:
            check_cluster_folder(Path.cwd())
        except InputError as error:
            sys.exit(f"error: {error}")


onsuccess:
    record_provenance()
    if warned := worth_a_look(job_logs(), STARTED):
        sys.stderr.write(f"\n{warned}\n")


onerror:
    sys.stderr.write(f"\n{last_words(log, place=brought_log)}\n")


include: "workflow/rules/common.smk"
include: f"workflow/rules/sources/{CFG.capture.source}.smk"
include: "workflow/rules/capture.smk"
include: "workflow/rules/landmarks.smk"
include: "workflow/rules/doctor.smk"
include: "workflow/rules/fitting.smk"
include: "workflow/rules/components.smk"
include: "workflow/rules/learned.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/export.smk"


complete_rules()


rule all:
    default_target: True
    input:
        results("frames.csv"),
        results("template/mask.png"),
        results("template/mattes.png"),
        results("landmarks/gaze.csv"),
        results("tracking/frames.csv") if CFG.capture.source == "photographs" else [],
        expand(results("components/{level}/pca_all.h5"), level=LEVELS),
        expand(results(f"components/{FINEST}/pca_{{attribute}}.h5"), attribute=CFG.components.attributes),
        expand(
            results(f"components/{BASE}/mbspca_{{attribute}}.h5"),
            attribute=CFG.components.attributes,
        ),
        expand(
            results(f"components/{FINEST}/sldc_{{support}}_{CFG.components.sldc.attribute}.h5"),
            support=SUPPORTS,
        ),
        expand(results("components/{level}/upsampled_pca_all.h5"), level=LEVELS[:-1]),
        learned_rigs(),
        expand(results("renders/{family}/contact_sheet.jpg"), family=plan.pictured(CFG)),
        results("evaluation/fit.csv"),
        results("evaluation/methods.csv"),
        results("evaluation/summary.html"),
        results("evaluation/figures/reconstruction.png"),
        results("evaluation/figures/worst_views.png"),
        expand(results("evaluation/figures/learned_{family}.png"), family=CFG.learned.families),
        results("evaluation/figures/blendshapes.jpg") if "arkit" in CFG.learned.families else [],
        results("evaluation/figures/coherence.png"),
        results("evaluation/figures/where_they_act.png"),
        of_control("control/panels/{family}.json"),
        of_control(
            "control/tracks/{family}/{track}.csv",
            track=["tour", *EXPRESSIONS, *(f"mesh/{segment}" for segment in CFG.control.segments)],
        ),
        results("control/head.html") if CFG.control.web_head else [],
        webcam_page(),
        expand(results(f"video/{CFG.video.family}/{{track}}.{{suffix}}"), track=CFG.video.tracks, suffix=["mp4", "gif"]),
        expand(results(f"export/{CFG.export.family}/{{name}}"), name=["head.glb", "rig.safetensors", "fidelity.csv"]),

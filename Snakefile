"""splatrig: from a multi-view capture of a face to a rig of structured 3D Gaussians."""

import sys
import time
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
STARTED = time.time()


configfile: str(Path(workflow.basedir) / "config.yaml")


report: f"workflow/report/{'cohort_workflow' if 'subjects' in config else 'workflow'}.rst"


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
    for part in [COMMON, *(part.COMMON for part in PARTS.values())]:
        part.record_provenance()
    if warned := worth_a_look(COMMON.job_logs(), STARTED):
        sys.stderr.write(f"\n{warned}\n")


onerror:
    sys.stderr.write(f"\n{last_words(log, place=COMMON.brought_log)}\n")


if "subjects" in config:

    include: "workflow/rules/cohort.smk"

else:

    include: "workflow/rules/subject.smk"


rule all:
    """Make everything that the configuration asks for."""
    default_target: True
    input:
        TARGETS,

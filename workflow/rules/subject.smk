# All that is made of one subject; in a cohort, of each.

PARTS = {}


include: "common.smk"
include: f"sources/{CFG.capture.source}.smk"
include: "capture.smk"
include: "landmarks.smk"
include: "doctor.smk"
include: "fitting.smk"
include: "components.smk"
include: "learned.smk"
include: "evaluation.smk"
include: "control.smk"
include: "export.smk"


if not PREFIX:

    include: "retrieve.smk"


COMMON.complete_rules(CAPTURE)
TARGETS = SUBJECT.targets()

# Everything that is made of one subject; in a cohort, of each.


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


complete_rules(captured if IN_PLACE or CFG.capture.source == "photographs" else None)


TARGETS = [
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
]
"""What a complete run makes."""

# Rigs learned through the rasterizer: neutral fit, components of the tracked meshes, optimization.
# They need no fitted frame except the neutral.

START = {"arkit": "mesh_arkit", "global": "mesh_pca", "local": "mesh_sldc"}
"""Components of the tracked meshes that a rig starts from, by family."""
FOR_ARKIT = {
    "shapes": SUBJECT.for_arkit(results("blendshapes/arkit.npz")),
    "promises": SUBJECT.for_arkit(source("resources", "expressions", "blendshapes.yaml")),
}
"""ARKit's blendshapes on this head, and those that the names of segments promise."""
SUPPORT = next(iter(CFG.components.sldc.supports.used))
"""The support map of the components that local rigs start from."""
GAZE = {"gaze": SUBJECT.if_free("landmarks/gaze.csv")}
"""Where eyes look, which free Gaussians follow."""
LEARNING = {
    **PHOTOMETRY,
    **configured("components.attributes", "learned.photographs_per_step", "learned.back_faces", "learned.dropout"),
    **configured("learned.memory_gib", "seed"),
    "level": SUBJECT.level(CFG.learned.level),
}
"""How a rig is learned, whichever components it starts from."""
DECODED = 1500 * CFG.learned.memory_gib
"""Memory in MiB for decoded photographs."""
ALL_BUT_ONE = SUBJECT.photographs(SUBJECT.photographs_without, "evaluation/folds/{fold}/frames.csv")
"""Photographs of all expressions but the one of a fold."""


rule learned_rigs:
    """Learn rigs alone, the shortest run: neutral fit and tracked meshes, without fits of other frames."""
    input:
        SUBJECT.learned_rigs(),


rule learned_generalization:
    """Learn rigs without one expression at a time, without the rest of the evaluation."""
    input:
        results("evaluation/folds.csv") if SUBJECT.folds else [],


environment("training")


rule decompose_meshes:
    """Compute components of the tracked meshes: {wildcards.algorithm}."""
    input:
        **SUBJECT.photographs(EXPRESSIONS),
        **FOR_ARKIT,
    output:
        components=results("components/base/mesh_{algorithm}.h5"),
    priority: 20  # the longest jobs of a run, learned rigs, wait for it
    threads: threads_of_large(2)
    params:
        **configured("components.k", "subject"),
        method="{algorithm}",
        support=only_for("algorithm", "sldc", SUPPORT),
        support_map=only_for("algorithm", "sldc", support_map(SUPPORT)),
        sldc=only_for("algorithm", "sldc", sldc_options(CFG.learned.sparsity)),
    script:
        "../scripts/decompose_meshes.py"


rule find_free_gaussians:
    """Find Gaussians beyond the tracked mesh, for all learned rigs."""
    input:
        **SUBJECT.photographs(EXPRESSIONS),
        **GAZE,
        **files("landmarks"),
        start=results("components/base/mesh_pca.h5"),
    output:
        free=results("components/free.h5"),
    priority: 20  # likewise
    threads: CFG.learned.devices * fit_threads(1)
    resources:
        mem_mb=memory(CFG.learned.devices * int(8000 + DECODED)),
        gpu=gpu(CFG.learned.devices),
        nodes=1,
    params:
        **LEARNING,
        **configured("learned.free", "learned.devices"),
        steps=plan.finding_steps(CFG.learned.steps),
        family="global",
    script:
        "../scripts/find_free_gaussians.py"


rule learn_rig:
    """Learn the {wildcards.locality} rig through the rasterizer."""
    input:
        **SUBJECT.photographs(EXPRESSIONS),
        **SUBJECT.named_units(),
        **GAZE,
        free=SUBJECT.if_free("components/free.h5"),
        start=lambda wildcards: results(f"components/base/{START[wildcards.locality]}.h5"),
    output:
        components=results(f"components/{FINEST}/learned_{{locality}}.h5"),
    priority: 20  # the longest jobs of a run start first
    threads: CFG.learned.devices * fit_threads(1)
    resources:
        mem_mb=memory(CFG.learned.devices * int(4000 + DECODED)),
        gpu=gpu(CFG.learned.devices),
        nodes=1,
    params:
        **LEARNING,
        **configured("learned.steps", "learned.devices"),
        family="{locality}",
    script:
        "../scripts/learn_rig.py"


use rule decompose_meshes as decompose_meshes_without with:
    input:
        **ALL_BUT_ONE,
        **FOR_ARKIT,
    output:
        components=results("evaluation/folds/{fold}/mesh_{algorithm}.h5"),
    message:
        "Compute components of the tracked meshes without {wildcards.fold}: {wildcards.algorithm}."


use rule find_free_gaussians as find_free_gaussians_without with:
    input:
        **ALL_BUT_ONE,
        **GAZE,
        **files("landmarks"),
        start=results("evaluation/folds/{fold}/mesh_pca.h5"),
    output:
        free=results("evaluation/folds/{fold}/free.h5"),
    message:
        "Find Gaussians beyond the tracked mesh without {wildcards.fold}."


use rule learn_rig as learn_rig_without with:
    input:
        **ALL_BUT_ONE,
        **GAZE,
        free=SUBJECT.if_free("evaluation/folds/{fold}/free.h5"),
        start=lambda wildcards: results(f"evaluation/folds/{wildcards.fold}/{START[wildcards.locality]}.h5"),
    output:
        components=results("evaluation/folds/{fold}/learned_{locality}.h5"),
    message:
        "Learn the {wildcards.locality} rig without {wildcards.fold}."


environment("components")


rule transfer_blendshapes:
    """Transfer ARKit's blendshapes to this head from the CC0 head, by the landmarks of both."""
    input:
        **files("template", "landmarks"),
        head=MAKEHUMAN,
        canonical=CANONICAL_FACE,
    output:
        shapes=results("blendshapes/arkit.npz"),
    script:
        "../scripts/transfer_blendshapes.py"


rule compute_pca_without:
    """Compute the PCA without {wildcards.fold}, the baseline of learned rigs, rendered in the same way."""
    input:
        attributes=results(f"attributes/{FINEST}.h5"),
    output:
        components=results("evaluation/folds/{fold}/pca_all.h5"),
    params:
        **configured("components.attributes", "components.k", "components.rest", weights="components.pca_weights"),
        fold="{fold}",
    script:
        "../scripts/compute_pca_without.py"


environment("evaluation")


rule show_rig:
    """Show the learned {wildcards.locality} rig next to photographs."""
    input:
        **SUBJECT.photographs(EXPRESSIONS),
        components=results(f"components/{FINEST}/learned_{{locality}}.h5"),
    output:
        picture=figure("learned_{locality}", "1 Summary", "learned {locality}, photographs", caption="learned"),
    params:
        **configured("rendering.image_height", "device"),
        frames=4,
    script:
        "../scripts/show_rig.py"


rule show_blendshapes:
    """Show all blendshapes of the learned rig."""
    input:
        **SCENE,
        components=results(f"components/{FINEST}/learned_arkit.h5"),
    output:
        sheet=reported("evaluation/figures/blendshapes.jpg", "blendshapes", "1 Summary", content="ARKit's blendshapes"),
    params:
        **configured("device"),
        image_height=CFG.rendering.image_height // 2,
    script:
        "../scripts/show_blendshapes.py"


rule evaluate_unseen:
    """Show the rigs in held-out expressions, which nothing was learned from."""
    input:
        **SUBJECT.photographs(EXPRESSIONS),
        **files("regions"),
        gaussians=each("gaussians/{expression}.h5"),
        pca=results(f"components/{FINEST}/pca_all.h5"),
        learned=SUBJECT.learned_rigs(),
    output:
        images=results("evaluation/images/unseen.csv"),
    params:
        **PHOTOMETRY,
        **configured("learned.families", "components.k", "learned.solve_steps"),
        level=FINEST,
    script:
        "../scripts/evaluate_unseen.py"


rule leave_out_expression:
    """Remove {wildcards.fold} from the training frames."""
    input:
        **files("frames"),
    output:
        frames=results("evaluation/folds/{fold}/frames.csv"),
    params:
        fold="{fold}",
    script:
        "../scripts/leave_out_expression.py"


rule evaluate_fold:
    """Render {wildcards.method} in {wildcards.fold}, which it was learned without."""
    input:
        **HEAD,
        **SUBJECT.taken_of("{fold}"),
        **files("regions"),
        components=results("evaluation/folds/{fold}/{method}.h5"),
        frames=results("evaluation/folds/{fold}/frames.csv"),
        attributes=results(f"attributes/{FINEST}.h5"),
    output:
        table=results("evaluation/folds/{fold}/{method}.csv"),
        images=results("evaluation/images/folds/{fold}/{method}.csv"),
    params:
        **PHOTOMETRY,
        **configured("learned.solve_steps"),
        fold="{fold}",
        method="{method}",
        level=FINEST,
    script:
        "../scripts/evaluate_fold.py"


rule merge_folds:
    """Merge the errors of learned rigs on left-out expressions."""
    input:
        tables=SUBJECT.every_fold("evaluation/folds/{fold}/{method}.csv"),
    output:
        folds=reported("evaluation/folds.csv", "folds", "4 Methods", content="learned without an expression, table"),
    script:
        "../scripts/merge_folds.py"

# Rigs learned through the rasterizer: neutral fit, components of the tracked meshes, optimization.
# They need no fitted frame except the neutral.


START = {"arkit": "mesh_arkit", "global": "mesh_pca", "local": "mesh_sldc"}
"""Components of the tracked meshes that a rig starts from, by family."""
PROMISES = source("resources", "expressions", "blendshapes.yaml")
"""File of the blendshapes that the names of segments promise."""


rule learned_rigs:
    # the shortest run: neutral fit, tracked meshes and learned rigs, without fits of other frames
    input:
        learned_rigs(),


rule retrieve_head:
    output:
        head=MAKEHUMAN,
        license="resources/retrieved/makehuman_LICENSE.md",
    conda:
        "../../envs/capture.yaml"
    message:
        "Retrieving the CC0 MakeHuman head and its ARKit face units"
    script:
        "../scripts/retrieve_head.py"


rule transfer_blendshapes:
    # ARKit's blendshapes on this head, from those of the CC0 head, by the landmarks of both
    input:
        head=MAKEHUMAN,
        canonical=CANONICAL_FACE,
        template=results("template/template.h5"),
        landmarks=results("landmarks/landmarks.csv"),
    output:
        shapes=results("blendshapes/arkit.npz"),
    conda:
        "../../envs/components.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    message:
        "Transferring ARKit's blendshapes to this head"
    script:
        "../scripts/transfer_blendshapes.py"


rule decompose_meshes:
    input:
        **photographs(EXPRESSIONS),
        shapes=for_blendshapes(results("blendshapes/arkit.npz")),
        promises=for_blendshapes(PROMISES),
    output:
        components=results("components/base/mesh_{algorithm}.h5"),
    wildcard_constraints:
        algorithm="arkit|pca|sldc",
    conda:
        "../../envs/training.yaml"
    threads: threads_of_large(2)
    resources:
        mem_mb=memory(8000),
        runtime=60,
    params:
        method="{algorithm}",
        k=K,
        support=only_for("algorithm", "sldc", SUPPORTS[0]),
        support_map=only_for("algorithm", "sldc", support_map(SUPPORTS[0])),
        sldc=only_for("algorithm", "sldc", sldc_options(CFG.learned.sparsity)),
        subject=CFG.subject,
    message:
        "Computing components of the tracked meshes: {wildcards.algorithm}"
    script:
        "../scripts/decompose_meshes.py"


rule find_free_gaussians:
    # Gaussians beyond the tracked mesh, for all learned rigs
    input:
        **photographs(EXPRESSIONS),
        gaze=gaze(),
        landmarks=results("landmarks/landmarks.csv"),
        start=results("components/base/mesh_pca.h5"),
    output:
        free=results("components/free.h5"),
    conda:
        "../../envs/training.yaml"
    threads: fit_threads(1)
    resources:
        mem_mb=memory(int(8000 + 1500 * CFG.learned.memory_gib)),
        runtime=120,
        gpu=gpu(),
    params:
        **photometry(),
        **learning(plan.finding_steps(CFG.learned.steps)),
        family="global",
        free=CFG.learned.free,
    message:
        "Finding Gaussians beyond the tracked mesh"
    script:
        "../scripts/find_free_gaussians.py"


rule learn_rig:
    input:
        **photographs(EXPRESSIONS),
        **named_units(),
        free=free_gaussians(),
        gaze=gaze(),
        start=lambda wildcards: results(f"components/base/{START[wildcards.locality]}.h5"),
    output:
        components=results(f"components/{FINEST}/learned_{{locality}}.h5"),
    wildcard_constraints:
        locality="|".join(START),
    conda:
        "../../envs/training.yaml"
    threads: CFG.learned.devices * fit_threads(1)
    resources:
        mem_mb=memory(CFG.learned.devices * int(4000 + 1500 * CFG.learned.memory_gib)),
        runtime=120,
        gpu=gpu(CFG.learned.devices),
        nodes=1,
    params:
        **photometry(),
        **learning(CFG.learned.steps),
        family="{locality}",
        devices=CFG.learned.devices,
    message:
        "Learning the {wildcards.locality} rig through the rasterizer"
    script:
        "../scripts/learn_rig.py"


rule show_rig:
    input:
        **photographs(EXPRESSIONS),
        components=results(f"components/{FINEST}/learned_{{locality}}.h5"),
    output:
        picture=reported(
            "evaluation/figures/learned_{locality}.png",
            "learned",
            "1 Summary",
            content="learned {locality}, photographs",
        ),
    wildcard_constraints:
        locality="|".join(START),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        frames=4,
        image_height=CFG.rendering.image_height,
        device=CFG.device,
    message:
        "Showing the learned {wildcards.locality} rig next to photographs"
    script:
        "../scripts/show_rig.py"


rule show_blendshapes:
    input:
        **SCENE,
        components=results(f"components/{FINEST}/learned_arkit.h5"),
    output:
        sheet=reported("evaluation/figures/blendshapes.jpg", "blendshapes", "1 Summary", content="ARKit's blendshapes"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=20,
        gpu=gpu(),
    params:
        image_height=CFG.rendering.image_height // 2,
        device=CFG.device,
    message:
        "Showing all blendshapes of the learned rig"
    script:
        "../scripts/show_blendshapes.py"


rule evaluate_unseen:
    # only if the capture holds out expressions: rigs in expressions that nothing was learned from
    input:
        **photographs(EXPRESSIONS),
        gaussians=fitted(),
        pca=results(f"components/{FINEST}/pca_all.h5"),
        learned=learned_rigs(),
        regions=results("regions"),
    output:
        images=results("evaluation/images/unseen.csv"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(6000),
        runtime=120,
        gpu=gpu(),
    params:
        **photometry(),
        families=CFG.learned.families,
        level=FINEST,
        k=K,
        solve_steps=CFG.learned.solve_steps,
    message:
        "Showing the rigs in expressions that nothing was learned from"
    script:
        "../scripts/evaluate_unseen.py"


# Generalization of learned rigs, learned again without one expression at a time (evaluation.learned_folds of them).


use rule decompose_meshes as decompose_meshes_without with:
    input:
        **photographs(photographs_without, "evaluation/folds/{fold}/frames.csv"),
        shapes=for_blendshapes(results("blendshapes/arkit.npz")),
        promises=for_blendshapes(PROMISES),
    output:
        components=results("evaluation/folds/{fold}/mesh_{algorithm}.h5"),
    message:
        "Computing components of the tracked meshes without {wildcards.fold}: {wildcards.algorithm}"


use rule find_free_gaussians as find_free_gaussians_without with:
    input:
        **photographs(photographs_without, "evaluation/folds/{fold}/frames.csv"),
        gaze=gaze(),
        landmarks=results("landmarks/landmarks.csv"),
        start=results("evaluation/folds/{fold}/mesh_pca.h5"),
    output:
        free=results("evaluation/folds/{fold}/free.h5"),
    message:
        "Finding Gaussians beyond the tracked mesh without {wildcards.fold}"


use rule learn_rig as learn_rig_without with:
    input:
        **photographs(photographs_without, "evaluation/folds/{fold}/frames.csv"),
        free=free_gaussians("evaluation/folds/{fold}/free.h5"),
        gaze=gaze(),
        start=lambda wildcards: results(f"evaluation/folds/{wildcards.fold}/{START[wildcards.locality]}.h5"),
    output:
        components=results("evaluation/folds/{fold}/learned_{locality}.h5"),
    message:
        "Learning the {wildcards.locality} rig without {wildcards.fold}"


rule learned_generalization:
    # only the folds, without the rest of the evaluation
    input:
        results("evaluation/folds.csv") if FOLDS else [],


rule leave_out_expression:
    input:
        frames=results("frames.csv"),
    output:
        frames=results("evaluation/folds/{fold}/frames.csv"),
    conda:
        "../../envs/evaluation.yaml"
    params:
        fold="{fold}",
    message:
        "Removing {wildcards.fold} from the training frames"
    script:
        "../scripts/leave_out_expression.py"


rule compute_pca_without:
    # the baseline of learned rigs, rendered in the same way, with weights from photographs
    input:
        attributes=results(f"attributes/{FINEST}.h5"),
    output:
        components=results("evaluation/folds/{fold}/pca_all.h5"),
    conda:
        "../../envs/components.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=30,
    params:
        fold="{fold}",
        attributes=CFG.components.attributes,
        k=K,
        weights=CFG.components.pca_weights,
        rest=CFG.components.rest,
    message:
        "Computing the PCA without {wildcards.fold}"
    script:
        "../scripts/compute_pca_without.py"


rule evaluate_fold:
    input:
        **HEAD,
        components=results("evaluation/folds/{fold}/{method}.h5"),
        frames=results("evaluation/folds/{fold}/frames.csv"),
        attributes=results(f"attributes/{FINEST}.h5"),
        cameras=results("dataset/cameras.json"),
        photographs=results("dataset/{fold}"),
        plates=stage_plates(),
        regions=results("regions"),
    output:
        table=results("evaluation/folds/{fold}/{method}.csv"),
        images=results("evaluation/images/folds/{fold}/{method}.csv"),
    wildcard_constraints:
        method="|".join(["pca_all", *(f"learned_{family}" for family in START)]),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(6000),
        runtime=120,
        gpu=gpu(),
    params:
        **photometry(),
        fold="{fold}",
        method="{method}",
        level=FINEST,
        solve_steps=CFG.learned.solve_steps,
    message:
        "Rendering {wildcards.method} in {wildcards.fold}, which it was learned without"
    script:
        "../scripts/evaluate_fold.py"


rule merge_folds:
    input:
        tables=every_fold("evaluation/folds/{fold}/{method}.csv"),
    output:
        folds=reported(
            "evaluation/folds.csv", "folds", "4 Methods", content="learned rigs without one expression, table"
        ),
    conda:
        "../../envs/evaluation.yaml"
    message:
        "Merging the errors of learned rigs on left-out expressions"
    script:
        "../scripts/merge_folds.py"

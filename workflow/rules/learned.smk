# Rigs learned through the rasteriser: neutral fit, components of the tracked meshes, learned optimisation.
# No frame but the neutral has to be fitted for them.


rule learned_rigs:
    # the short way: neutral fit, tracked meshes, learned rigs, and no fit of any other frame
    input:
        learned_rig_files(),


rule decompose_meshes:
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        plates=stage_plates(),
    output:
        components=results("components/base/mesh_{algorithm}.h5"),
    wildcard_constraints:
        algorithm="pca|sldc",
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
        "Components of the tracked meshes: {wildcards.algorithm}"
    script:
        "../scripts/decompose_meshes.py"


rule learn_rig:
    input:
        **named_units(),
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        plates=stage_plates(),
        start=learned_start,
    output:
        components=results(f"components/{FINEST}/learned_{{locality}}.h5"),
    wildcard_constraints:
        locality="global|local",
    conda:
        "../../envs/training.yaml"
    threads: CFG.learned.devices * fit_threads(1)
    resources:
        mem_mb=memory(CFG.learned.devices * int(4000 + 1500 * CFG.learned.memory_gib)),
        runtime=120,
        gpu=gpu(CFG.learned.devices),
        nodes=1,
    params:
        family="{locality}",
        attributes=CFG.components.attributes,
        level=level_called(CFG.learned.level),
        steps=CFG.learned.steps,
        photographs_per_step=CFG.learned.photographs_per_step,
        devices=CFG.learned.devices,
        back_faces=CFG.learned.back_faces,
        dropout=CFG.learned.dropout,
        memory_gib=CFG.learned.memory_gib,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        seed=CFG.seed,
        device=CFG.device,
    message:
        "Learning the {wildcards.locality} rig through the rasteriser"
    script:
        "../scripts/learn_rig.py"


rule evaluate_unseen:
    # only where the capture holds out expressions: how rigs show what nothing was learned from
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        plates=stage_plates(),
        gaussians=expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS),
        pca=results(f"components/{FINEST}/pca_all.h5"),
        learned=learned_rig_files(),
    output:
        images=results("evaluation/images/unseen.csv"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(6000),
        runtime=120,
        gpu=gpu(),
    params:
        families=CFG.learned.families,
        level=FINEST,
        k=K,
        solve_steps=CFG.learned.solve_steps,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        device=CFG.device,
    message:
        "Showing the rigs in expressions that nothing was learned from"
    script:
        "../scripts/evaluate_unseen.py"


# How learned rigs generalise: learned anew without one expression at a time, evaluation.learned_folds times.


use rule decompose_meshes as decompose_meshes_without with:
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("evaluation/folds/{fold}/frames.csv"),
        photographs=photographs_without,
        plates=stage_plates(),
    output:
        components=results("evaluation/folds/{fold}/mesh_{algorithm}.h5"),
    message:
        "Components of the tracked meshes without {wildcards.fold}: {wildcards.algorithm}"


use rule learn_rig as learn_rig_without with:
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("evaluation/folds/{fold}/frames.csv"),
        photographs=photographs_without,
        plates=stage_plates(),
        start=start_without,
    output:
        components=results("evaluation/folds/{fold}/learned_{locality}.h5"),
    message:
        "Learning the {wildcards.locality} rig without {wildcards.fold}"


rule learned_generalization:
    # the folds alone, without the rest of the evaluation
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
        "Leaving {wildcards.fold} out"
    script:
        "../scripts/leave_out_expression.py"


rule compute_pca_without:
    # what learned rigs are compared with, shown in the same way: weights from photographs
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
        "PCA without {wildcards.fold}"
    script:
        "../scripts/compute_pca_without.py"


rule evaluate_fold:
    input:
        components=results("evaluation/folds/{fold}/{method}.h5"),
        frames=results("evaluation/folds/{fold}/frames.csv"),
        attributes=results(f"attributes/{FINEST}.h5"),
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        photographs=results("dataset/{fold}"),
        plates=stage_plates(),
    output:
        table=results("evaluation/folds/{fold}/{method}.csv"),
        images=results("evaluation/images/folds/{fold}/{method}.csv"),
    wildcard_constraints:
        method="learned_global|learned_local|pca_all",
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(6000),
        runtime=120,
        gpu=gpu(),
    params:
        fold="{fold}",
        method="{method}",
        level=FINEST,
        solve_steps=CFG.learned.solve_steps,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        device=CFG.device,
    message:
        "Showing {wildcards.method} in {wildcards.fold}, which it was learned without"
    script:
        "../scripts/evaluate_fold.py"


rule merge_folds:
    input:
        tables=every_fold("evaluation/folds/{fold}/{method}.csv"),
    output:
        folds=report(
            results("evaluation/folds.csv"),
            caption="../report/folds.rst",
            category="4 Methods",
            labels={"content": "learned rigs without one expression, table"},
        ),
    conda:
        "../../envs/evaluation.yaml"
    message:
        "Merging what learned rigs make of expressions left out"
    script:
        "../scripts/merge_folds.py"

# How learned rigs generalise: learned anew without one expression at a time, evaluation.learned_folds times.


use rule mesh_components as mesh_components_without with:
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("evaluation/folds/{fold}/frames.csv"),
        photographs=photographs_without,
        plates=stage_plates(),
    output:
        components=results("evaluation/folds/{fold}/mesh_{algorithm}.h5"),
    log:
        logs("mesh_components_without/{fold}_{algorithm}.log"),
    benchmark:
        benchmarks("mesh_components_without/{fold}_{algorithm}.tsv")
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
    log:
        logs("learn_rig_without/{fold}_{locality}.log"),
    benchmark:
        benchmarks("learn_rig_without/{fold}_{locality}.tsv")
    message:
        "Learning the {wildcards.locality} rig without {wildcards.fold}"


rule learned_generalization:
    # the folds alone, without the rest of the evaluation
    input:
        results("evaluation/folds.csv") if FOLDS else [],


rule leave_out:
    input:
        frames=results("frames.csv"),
    output:
        frames=results("evaluation/folds/{fold}/frames.csv"),
    log:
        logs("leave_out/{fold}.log"),
    benchmark:
        benchmarks("leave_out/{fold}.tsv")
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        fold="{fold}",
        lib=lib("leave_out.py"),
    message:
        "Leaving {wildcards.fold} out"
    script:
        "../scripts/leave_out.py"


rule pca_without:
    # what learned rigs are compared with, shown in the same way: weights from photographs
    input:
        attributes=results(f"attributes/{FINEST}.h5"),
    output:
        components=results("evaluation/folds/{fold}/pca_all.h5"),
    log:
        logs("pca_without/{fold}.log"),
    benchmark:
        benchmarks("pca_without/{fold}.tsv")
    conda:
        "../../envs/components.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=30,
    params:
        fold="{fold}",
        attributes=CFG.components.attributes,
        k=K,
        weights=CFG.components.pca_weights,
        rest=CFG.components.rest,
        lib=lib("pca_without.py"),
    message:
        "PCA without {wildcards.fold}"
    script:
        "../scripts/pca_without.py"


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
    log:
        logs("evaluate_fold/{fold}_{method}.log"),
    benchmark:
        benchmarks("evaluate_fold/{fold}_{method}.tsv")
    wildcard_constraints:
        method="learned_global|learned_local|pca_all",
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
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
        lib=lib("evaluate_fold.py"),
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
    log:
        logs("merge_folds.log"),
    benchmark:
        benchmarks("merge_folds.tsv")
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        lib=lib("merge_folds.py"),
    message:
        "Merging what learned rigs make of expressions left out"
    script:
        "../scripts/merge_folds.py"

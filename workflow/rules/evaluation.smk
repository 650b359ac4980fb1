# Tables and figures: one job per method, a merge, and figures drawn from the tables only.


rule label_regions:
    input:
        **MEASURED,
        **labels(),
        template=results("template/template.h5"),
        landmarks=results("landmarks/landmarks.csv"),
        frames=results("frames.csv"),
    output:
        regions=directory(results("regions")),
        picture=reported("regions.png", "region_picture", "6 Capture", picture="regions"),
    conda:
        "../../envs/evaluation.yaml"
    threads: threads_of_large(4)
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        dataset=lambda wildcards, input: str(Path(input.cameras).parent),
    message:
        "Labeling skin, mouth, eyes, hair and everything beyond the tracked mesh"
    script:
        "../scripts/label_regions.py"


rule evaluate_fit:
    input:
        gaussians=fitted(),
    output:
        fit=results("evaluation/fit.csv"),
        summary=reported("evaluation/fit_summary.csv", "fit_summary", "2 Fits", content="means, table"),
    conda:
        "../../envs/evaluation.yaml"
    params:
        seed=CFG.seed,
    message:
        "Collecting the metrics of the fits"
    script:
        "../scripts/evaluate_fit.py"


rule evaluate_method:
    input:
        **HEAD,
        **MEASURED,
        components=results("components/{level}/{method}.h5"),
        attributes=lambda wildcards: results(
            f"attributes/{FINEST if wildcards.method.startswith('upsampled_') else wildcards.level}.h5"
        ),
        regions=results("regions"),
        truth=lambda wildcards: known_weights(wildcards.method),
    output:
        table=results("evaluation/methods/{level}/{method}.csv"),
        images=results("evaluation/images/{level}/{method}.csv"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=60,
        gpu=gpu(),
    params:
        dataset=lambda wildcards, input: str(Path(input.cameras).parent),
        method="{method}",
        level="{level}",
        ks=plan.curve_counts(K),
        seed=CFG.seed,
        device=CFG.device,
    message:
        "Measuring {wildcards.method} ({wildcards.level}), in mm and in images from held-out cameras"
    script:
        "../scripts/evaluate_method.py"


rule evaluate_truth:
    input:
        components=[results(f"components/{level}/{method}.h5") for method, level in SELF_FOUND],
        truth=capture_path("truth.csv"),
    output:
        table=reported("evaluation/truth.csv", "truth", "4 Methods", content="recovered face units, table"),
    conda:
        "../../envs/evaluation.yaml"
    params:
        methods=[method for method, _ in SELF_FOUND],
        levels=[level for _, level in SELF_FOUND],
    message:
        "Comparing weights with the face units that made the demo"
    script:
        "../scripts/evaluate_truth.py"


rule merge_methods:
    input:
        **({"folds": results("evaluation/folds.csv")} if FOLDS else {}),
        tables=[results(f"evaluation/methods/{level}/{method}.csv") for method, level in COMPARED],
        images=image_tables(),
        fit=results("evaluation/fit.csv"),
        fit_regions=results("evaluation/fit_regions.csv"),
        sweeps=expand(results("evaluation/sweeps/{method}.csv"), method=plan.swept(CFG)),
        runtimes=expand(results("evaluation/runtimes/{method}.csv"), method=plan.swept(CFG)),
        benchmarks=learning_benchmarks(),
    output:
        methods=reported("evaluation/methods.csv", "methods", "4 Methods", content="all metrics, table"),
        images=results("evaluation/images.csv"),
        sweeps=reported("evaluation/sweeps.csv", "sweeps", "4 Methods", content="learned again, table"),
        runtimes=results("evaluation/runtimes.csv"),
    conda:
        "../../envs/evaluation.yaml"
    params:
        seed=CFG.seed,
        level=FINEST,
        jobs=learning_jobs(),
    message:
        "Merging the tables of all methods"
    script:
        "../scripts/merge_methods.py"


rule draw_figures:
    input:
        **truth(truth=results("evaluation/truth.csv")),
        methods=results("evaluation/methods.csv"),
        sweeps=results("evaluation/sweeps.csv"),
        fit=results("evaluation/fit.csv"),
    output:
        **truth(truth=figure("truth", "4 Methods", "recovered face units")),
        fit=figure("fit_quality", "2 Fits", "every frame"),
        reconstruction=figure("reconstruction", "4 Methods", "reconstruction, generalization, specificity"),
        influence=figure("influence", "4 Methods", "influence of the components"),
        attributes=figure("attributes", "4 Methods", "error of every attribute"),
        matched=figure("matched", "4 Methods", "learned again at every k"),
        tradeoff=figure("tradeoff", "4 Methods", "sparsity against error"),
        locality=figure("locality", "4 Methods", "sparsity and support"),
        images=figure("images", "4 Methods", "images from held-out cameras"),
        regions=figure("regions", "4 Methods", "by region"),
        upsampling=figure("upsampling", "5 Upsampling", "upsampled coarse components"),
    conda:
        "../../envs/evaluation.yaml"
    message:
        "Drawing the figures"
    script:
        "../scripts/draw_figures.py"


rule summarize_evaluation:
    input:
        **truth(truth=results("evaluation/truth.csv")),
        views=results("evaluation/fit.csv"),
        fit=results("evaluation/fit_summary.csv"),
        methods=results("evaluation/methods.csv"),
        sweeps=results("evaluation/sweeps.csv"),
        runtimes=results("evaluation/runtimes.csv"),
    output:
        summary=results("evaluation/summary.csv"),
        headline=results("evaluation/headline.csv"),
        summary_html=reported("evaluation/summary.html", "summary", "1 Summary", content="key results"),
        regions=reported("evaluation/regions.csv", "region_table", "4 Methods", content="by region, table"),
        comparison=results("evaluation/comparison.csv"),
        comparison_html=reported(
            "evaluation/comparison.html", "comparison", "1 Summary", content="methods side by side"
        ),
        comparison_markdown=results("evaluation/comparison.md"),
        comparison_latex=results("evaluation/comparison.tex"),
    conda:
        "../../envs/evaluation.yaml"
    params:
        subject=CFG.subject,
    message:
        "Summarizing"
    script:
        "../scripts/summarize_evaluation.py"


rule sweep_method:
    input:
        **HEAD,
        **MEASURED,
        attributes=results(f"attributes/{BASE}.h5"),
        regions=results("regions"),
    output:
        table=results("evaluation/sweeps/{method}.csv"),
        images=results("evaluation/images/left_out/{method}.csv"),
        runtimes=results("evaluation/runtimes/{method}.csv"),
    priority: 10  # the longest jobs of the evaluation start first
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=60,
        gpu=gpu(),
    params:
        dataset=lambda wildcards, input: str(Path(input.cameras).parent),
        rest=CFG.components.rest,
        support=only_for("method", "sldc_", lambda wildcards: wildcards.method.split("_")[1]),
        support_map=only_for("method", "sldc_", lambda wildcards: support_map(wildcards.method.split("_")[1])),
        sldc=only_for("method", "sldc_", sldc_options(CFG.components.sldc.sparsity)),
        alpha=only_for("method", "mbspca_", CFG.components.mbspca_sparsity),
        method="{method}",
        level=BASE,
        ks=lambda wildcards: plan.sweep_counts(wildcards.method, K),
        left_out_ks=lambda wildcards: plan.left_out_counts(wildcards.method, K),
        lambdas=only_for("method", "sldc_", CFG.evaluation.sparsities),
        seed=CFG.seed,
        device=CFG.device,
    message:
        "Learning {wildcards.method} again at every k, every sparsity weight, and without one expression at a time"
    script:
        "../scripts/sweep_method.py"


rule show_worst_views:
    input:
        **MEASURED,
        fit=results("evaluation/fit.csv"),
        gaussians=fitted(),
        regions=results("regions"),
    output:
        regions=results("evaluation/fit_regions.csv"),
        picture=figure("worst_views", "2 Fits", "worst views"),
        cameras=reported("evaluation/cameras.csv", "cameras", "2 Fits", content="per camera, table"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        dataset=lambda wildcards, input: str(Path(input.cameras).parent),
        expressions=EXPRESSIONS,
        views=4,
        image_height=CFG.rendering.image_height,
        device=CFG.device,
    message:
        "Measuring fits by region, and showing the worst ones"
    script:
        "../scripts/show_worst_views.py"


rule compare_heat_maps:
    input:
        **SCENE,
        components=[results(f"components/{level}/{method}.h5") for method, level in SELF_FOUND],
    output:
        picture=figure("where_they_act", "3 Components", "where they act, all methods"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        methods=[method for method, _ in SELF_FOUND],
        components=CFG.rendering.components,
        image_height=CFG.rendering.image_height,
    message:
        "Showing where the components of all methods act"
    script:
        "../scripts/compare_heat_maps.py"

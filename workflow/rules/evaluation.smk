# Tables and figures: one job per method, a merge, and figures drawn from the tables only.

TRUTH = SUBJECT.only_of_demo(truth=results("evaluation/truth.csv"))
"""The comparison with the face units that made the demo."""
SELF_FOUND = SUBJECT.self_found()

environment("evaluation")


rule label_regions:
    """Label skin, mouth, eyes, hair and everything beyond the tracked mesh."""
    input:
        **MEASURED,
        **files("template", "landmarks", "frames"),
        **CAPTURE.labels(),
    output:
        regions=directory(results("regions")),
        picture=reported("regions.png", "region_picture", "6 Capture", picture="regions"),
    threads: threads_of_large(4)
    params:
        dataset=dataset_of_cameras,
    script:
        "../scripts/label_regions.py"


rule evaluate_fit:
    """Collect the metrics of the fits."""
    input:
        gaussians=each("gaussians/{expression}.h5"),
    output:
        fit=results("evaluation/fit.csv"),
        summary=reported("evaluation/fit_summary.csv", "fit_summary", "2 Fits", content="means, table"),
    params:
        **configured("seed"),
    script:
        "../scripts/evaluate_fit.py"


rule evaluate_method:
    """Measure {wildcards.method} ({wildcards.level}), in mm and in images from held-out cameras."""
    input:
        **HEAD,
        **MEASURED,
        **files("regions"),
        components=results("components/{level}/{method}.h5"),
        attributes=SUBJECT.rows_of_method,
        truth=SUBJECT.known_weights,
    output:
        table=results("evaluation/methods/{level}/{method}.csv"),
        images=results("evaluation/images/{level}/{method}.csv"),
    params:
        **configured("seed", "device"),
        dataset=dataset_of_cameras,
        method="{method}",
        level="{level}",
        ks=plan.curve_counts(CFG.components.k),
    script:
        "../scripts/evaluate_method.py"


rule evaluate_truth:
    """Compare weights with the face units that made the demo."""
    input:
        components=SUBJECT.of_methods("components/{level}/{method}.h5", SELF_FOUND),
        truth=capture_path("truth.csv"),
    output:
        table=reported("evaluation/truth.csv", "truth", "4 Methods", content="recovered face units, table"),
    params:
        methods=[method for method, _ in SELF_FOUND],
        levels=[level for _, level in SELF_FOUND],
    script:
        "../scripts/evaluate_truth.py"


rule merge_methods:
    """Merge the tables of all methods."""
    input:
        **({"folds": results("evaluation/folds.csv")} if SUBJECT.folds else {}),
        **files("fit"),
        tables=SUBJECT.of_methods("evaluation/methods/{level}/{method}.csv", SUBJECT.compared),
        images=SUBJECT.image_tables(),
        fit_regions=results("evaluation/fit_regions.csv"),
        sweeps=SUBJECT.of_swept("evaluation/sweeps/{method}.csv"),
        runtimes=SUBJECT.of_swept("evaluation/runtimes/{method}.csv"),
        benchmarks=SUBJECT.learning_benchmarks() if COMMON.bucket else [],
    output:
        methods=reported("evaluation/methods.csv", "methods", "4 Methods", content="all metrics, table"),
        images=results("evaluation/images.csv"),
        sweeps=reported("evaluation/sweeps.csv", "sweeps", "4 Methods", content="learned again, table"),
        runtimes=results("evaluation/runtimes.csv"),
    params:
        **configured("seed"),
        level=FINEST,
        jobs=SUBJECT.learning_jobs(),
    script:
        "../scripts/merge_methods.py"


rule draw_figures:
    """Draw the figures."""
    input:
        **TRUTH,
        **files("methods", "sweeps", "fit"),
    output:
        **SUBJECT.only_of_demo(truth=figure("truth", "4 Methods", "recovered face units")),
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
    script:
        "../scripts/draw_figures.py"


rule summarize_evaluation:
    """Summarize the evaluation."""
    input:
        **TRUTH,
        **files("methods", "sweeps"),
        views=results("evaluation/fit.csv"),
        fit=results("evaluation/fit_summary.csv"),
        runtimes=results("evaluation/runtimes.csv"),
    output:
        summary=results("evaluation/summary.csv"),
        headline=results("evaluation/headline.csv"),
        summary_html=reported("evaluation/summary.html", "summary", "1 Summary", content="key results"),
        regions=reported("evaluation/regions.csv", "region_table", "4 Methods", content="by region, table"),
        comparison=results("evaluation/comparison.csv"),
        comparison_html=reported("evaluation/comparison.html", "comparison", "1 Summary", content="methods compared"),
        comparison_markdown=results("evaluation/comparison.md"),
        comparison_latex=results("evaluation/comparison.tex"),
    params:
        **configured("subject"),
    script:
        "../scripts/summarize_evaluation.py"


rule sweep_method:
    """Learn {wildcards.method} again at every k, every sparsity weight, and without one expression at a time."""
    input:
        **HEAD,
        **MEASURED,
        **files("regions"),
        attributes=results(f"attributes/{plan.BASE}.h5"),
    output:
        table=results("evaluation/sweeps/{method}.csv"),
        images=results("evaluation/images/left_out/{method}.csv"),
        runtimes=results("evaluation/runtimes/{method}.csv"),
    priority: 10  # the longest jobs of the evaluation start first
    params:
        **configured("components.rest", "seed", "device"),
        dataset=dataset_of_cameras,
        support=only_for("method", "sldc_", lambda wildcards: wildcards.method.split("_")[1]),
        support_map=only_for("method", "sldc_", lambda wildcards: support_map(wildcards.method.split("_")[1])),
        sldc=only_for("method", "sldc_", sldc_options(CFG.components.sldc.sparsity)),
        alpha=only_for("method", "mbspca_", CFG.components.mbspca_sparsity),
        method="{method}",
        level=plan.BASE,
        ks=lambda wildcards: plan.sweep_counts(wildcards.method, CFG.components.k),
        left_out_ks=lambda wildcards: plan.left_out_counts(wildcards.method, CFG.components.k),
        lambdas=only_for("method", "sldc_", CFG.evaluation.sparsities),
    script:
        "../scripts/sweep_method.py"


rule show_worst_views:
    """Measure fits by region, and show the worst ones."""
    input:
        **MEASURED,
        **files("fit", "regions"),
        gaussians=each("gaussians/{expression}.h5"),
    output:
        regions=results("evaluation/fit_regions.csv"),
        picture=figure("worst_views", "2 Fits", "worst views"),
        cameras=reported("evaluation/cameras.csv", "cameras", "2 Fits", content="per camera, table"),
    params:
        **configured("rendering.image_height", "device"),
        dataset=dataset_of_cameras,
        expressions=EXPRESSIONS,
        views=4,
    script:
        "../scripts/show_worst_views.py"


rule compare_heat_maps:
    """Show where the components of all methods act."""
    input:
        **SCENE,
        components=SUBJECT.of_methods("components/{level}/{method}.h5", SELF_FOUND),
    output:
        picture=figure("where_they_act", "3 Components", "where they act, all methods"),
    params:
        **configured("rendering.components", "rendering.image_height"),
        methods=[method for method, _ in SELF_FOUND],
    script:
        "../scripts/compare_heat_maps.py"


rule render_family:
    """Render the components of {wildcards.family}."""
    input:
        **SCENE,
        components=SUBJECT.component_file,
    output:
        sheet=reported("renders/{family}/contact_sheet.jpg", "contact_sheet", "3 Components", content="contact sheet"),
        heat=reported("renders/{family}/heat_maps.png", "heat_maps", "3 Components", content="where they act"),
        page=reported("renders/{family}/animation.html", "animation", "3 Components", content="animation"),
        mp4=results("renders/{family}/animation.mp4"),
        gif=results("renders/{family}/animation.gif"),
        stills=directory(results("renders/{family}/stills")),
    threads: threads_of_large(2)
    params:
        **configured("rendering.components", "rendering.image_height", "device"),
    script:
        "../scripts/render_family.py"

# How alike the fitted frames are; and, on request (snakemake compare_recipes), beside the original recipe's.


rule fit_coherence:
    input:
        neutral=results("gaussians/neutral.h5"),
        fitted=expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS),
    output:
        coherence=results("evaluation/coherence.csv"),
        spectrum=results("evaluation/spectrum.csv"),
        summary=results("evaluation/coherence_summary.csv"),
        figure=figure("coherence", "2 Fits", "how alike the frames are"),
    log:
        logs("fit_coherence.log"),
    benchmark:
        benchmarks("fit_coherence.tsv")
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=20,
    params:
        recipes=["fitted"],
        lib=lib("fit_coherence.py"),
    message:
        "Measuring how far the frames are from the neutral, and how few components they lie in"
    script:
        "../scripts/fit_coherence.py"


use rule fit_expression as fit_expression_alone with:
    output:
        gaussians=results("recipes/original/gaussians/{expression}.h5"),
        picture=results("recipes/original/renders/{expression}.png"),
        events=directory(results("recipes/original/tensorboard/{expression}")),
    log:
        logs("recipes/original/{expression}.log"),
    benchmark:
        benchmarks("recipes/original/{expression}.tsv")
    params:
        recipe="original",
        steps=CFG.fitting.original_steps,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        expression="{expression}",
        seed=CFG.seed,
        device=CFG.device,
        progress=results("progress/recipes/original/{expression}"),
        lib=lib("fit_expression.py"),
    message:
        "Fit the frames of {wildcards.expression} each on its own, by the original recipe"


use rule fit_coherence as compare_recipes with:
    input:
        neutral=results("gaussians/neutral.h5"),
        warm=expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS),
        original=expand(results("recipes/original/gaussians/{expression}.h5"), expression=EXPRESSIONS),
    output:
        coherence=results("recipes/coherence.csv"),
        spectrum=results("recipes/spectrum.csv"),
        summary=results("recipes/summary.csv"),
        figure=results("recipes/coherence.png"),
    log:
        logs("recipes/compare.log"),
    benchmark:
        benchmarks("recipes/compare.tsv")
    params:
        recipes=["warm", "original"],
        lib=lib("fit_coherence.py"),
    message:
        "Comparing this recipe's frames with the original recipe's"

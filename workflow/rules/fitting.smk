# Fit the Gaussians: the neutral frame first, then every expression from it.


rule fit_neutral:
    input:
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results(f"frames/{CFG.neutral}.csv"),
        photographs=results(f"dataset/{CFG.neutral}"),
        plates=stage_plates(),
        # must exist, but do not trigger a rerun
        admitted=ancient([results("landmarks/check.admitted"), results("capture_report.admitted")]),
    output:
        gaussians=results("gaussians/neutral.h5"),
        picture=reported("renders/fit/neutral.png", "fitted_frames", "2 Fits", expression="neutral"),
        events=directory(results("tensorboard/neutral")),
    conda:
        "../../envs/training.yaml"
    threads: fit_threads(2)
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=gpu(),
    params:
        **photometry(),
        recipe=CFG.fitting.recipe,
        steps=fit_steps(CFG.fitting.neutral_steps),
        expression=CFG.neutral,
        seed=CFG.seed,
        progress=results("progress/fit/neutral"),
    message:
        "Fitting the neutral frame"
    script:
        "../scripts/fit_neutral.py"


rule fit_expression:
    input:
        **HEAD,
        cameras=results("dataset/cameras.json"),
        frames=results("frames/{expression}.csv"),
        photographs=results("dataset/{expression}"),
        plates=stage_plates(),
    output:
        gaussians=results("gaussians/{expression}.h5"),
        picture=reported("renders/fit/{expression}.png", "fitted_frames", "2 Fits", expression="{expression}"),
        events=directory(results("tensorboard/{expression}")),
    wildcard_constraints:
        expression="|".join(map(re.escape, EXPRESSIONS)),
    conda:
        "../../envs/training.yaml"
    threads: fit_threads(1)
    resources:
        mem_mb=memory(3000),
        runtime=120,
        gpu=gpu(),
    params:
        **photometry(),
        recipe=CFG.fitting.recipe,
        steps=fit_steps(CFG.fitting.frame_steps),
        expression="{expression}",
        seed=CFG.seed,
        progress=results("progress/fit/{expression}"),
    message:
        "Fitting the frames of {wildcards.expression}"
    script:
        "../scripts/fit_expression.py"


# Fitted frames to one matrix per attribute, at every level.


rule write_attributes:
    input:
        frames=results("frames.csv"),
        template=results("template/template.h5"),
        gaussians=fitted(),
    output:
        **{level: results(f"attributes/{level}.h5") for level in LEVELS},
    conda:
        "../../envs/components.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        expressions=EXPRESSIONS,
        subject=CFG.subject,
    message:
        "Exporting the attributes of all frames"
    script:
        "../scripts/write_attributes.py"


# Coherence of the fitted frames; on request (snakemake compare_recipes), compared with the original recipe's.


rule measure_coherence:
    input:
        neutral=results("gaussians/neutral.h5"),
        fitted=fitted(),
    output:
        coherence=results("evaluation/coherence.csv"),
        spectrum=results("evaluation/spectrum.csv"),
        summary=results("evaluation/coherence_summary.csv"),
        figure=figure("coherence", "2 Fits", "coherence of the frames"),
    conda:
        "../../envs/evaluation.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=20,
    params:
        recipes=["fitted"],
    message:
        "Measuring the coherence of the frames: distances from the neutral, variance explained"
    script:
        "../scripts/measure_coherence.py"


use rule fit_expression as fit_expression_alone with:
    output:
        gaussians=results("recipes/original/gaussians/{expression}.h5"),
        picture=results("recipes/original/renders/{expression}.png"),
        events=directory(results("recipes/original/tensorboard/{expression}")),
    params:
        **photometry(),
        recipe="original",
        steps=CFG.fitting.original_steps,
        expression="{expression}",
        seed=CFG.seed,
        progress=results("progress/recipes/original/{expression}"),
    message:
        "Fitting the frames of {wildcards.expression} separately, by the original recipe"


use rule measure_coherence as compare_recipes with:
    input:
        neutral=results("gaussians/neutral.h5"),
        warm=fitted(),
        original=expand(results("recipes/original/gaussians/{expression}.h5"), expression=EXPRESSIONS),
    output:
        coherence=results("recipes/coherence.csv"),
        spectrum=results("recipes/spectrum.csv"),
        summary=results("recipes/summary.csv"),
        figure=results("recipes/coherence.png"),
    params:
        recipes=["warm", "original"],
    message:
        "Comparing this recipe's frames with the original recipe's"

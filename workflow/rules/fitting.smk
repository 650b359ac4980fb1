# Fit the Gaussians: the neutral frame first, then every expression from it; fitted frames become attributes.

PHOTOMETRY = configured("fitting.sh_degree", "fitting.rasterizer", "capture.background", "device")
"""How renderings are made and compared with photographs."""

environment("training")


rule fit_neutral:
    """Fit the neutral frame."""
    input:
        **files("template"),
        **SUBJECT.taken_of(CFG.neutral),
        frames=results(f"frames/{CFG.neutral}.csv"),
        # must exist, but do not trigger a rerun
        admitted=ancient([results("landmarks/check.admitted"), results("capture_report.admitted")]),
    output:
        gaussians=results("gaussians/neutral.h5"),
        picture=reported("renders/fit/neutral.png", "fitted_frames", "2 Fits", expression="neutral"),
        events=directory(results("tensorboard/neutral")),
    threads: fit_threads(2)
    params:
        **PHOTOMETRY,
        **configured("fitting.recipe", "seed", expression="neutral"),
        steps=fit_steps(CFG.fitting.neutral_steps),
        progress=results("progress/fit/neutral"),
    script:
        "../scripts/fit_neutral.py"


rule fit_expression:
    """Fit the frames of {wildcards.expression}."""
    input:
        **HEAD,
        **SUBJECT.taken_of("{expression}"),
        frames=results("frames/{expression}.csv"),
    output:
        gaussians=results("gaussians/{expression}.h5"),
        picture=reported("renders/fit/{expression}.png", "fitted_frames", "2 Fits", expression="{expression}"),
        events=directory(results("tensorboard/{expression}")),
    wildcard_constraints:
        expression=ONE_OF_EXPRESSIONS,
    threads: fit_threads(1)
    params:
        **PHOTOMETRY,
        **configured("fitting.recipe", "seed"),
        steps=fit_steps(CFG.fitting.frame_steps),
        expression="{expression}",
        progress=results("progress/fit/{expression}"),
    script:
        "../scripts/fit_expression.py"


use rule fit_expression as fit_expression_alone with:
    output:
        gaussians=results("recipes/original/gaussians/{expression}.h5"),
        picture=results("recipes/original/renders/{expression}.png"),
        events=directory(results("recipes/original/tensorboard/{expression}")),
    params:
        recipe="original",
        steps=CFG.fitting.original_steps,
        progress=results("progress/recipes/original/{expression}"),
    message:
        "Fit the frames of {wildcards.expression} separately, by the original recipe."


environment("components")


rule write_attributes:
    """Write the attributes of all frames at every level."""
    input:
        **files("frames", "template"),
        gaussians=each("gaussians/{expression}.h5"),
    output:
        **{level: results(f"attributes/{level}.h5") for level in LEVELS},
    params:
        **configured("subject"),
        expressions=EXPRESSIONS,
    script:
        "../scripts/write_attributes.py"


environment("evaluation")


rule measure_coherence:
    """Measure the coherence of the frames: distances from the neutral, variance explained."""
    input:
        **files("neutral"),
        fitted=each("gaussians/{expression}.h5"),
    output:
        coherence=results("evaluation/coherence.csv"),
        spectrum=results("evaluation/spectrum.csv"),
        summary=results("evaluation/coherence_summary.csv"),
        figure=figure("coherence", "2 Fits", "coherence of the frames"),
    params:
        recipes=["fitted"],
    script:
        "../scripts/measure_coherence.py"


use rule measure_coherence as compare_recipes with:
    input:
        **files("neutral"),
        warm=each("gaussians/{expression}.h5"),
        original=each("recipes/original/gaussians/{expression}.h5"),
    output:
        coherence=results("recipes/coherence.csv"),
        spectrum=results("recipes/spectrum.csv"),
        summary=results("recipes/summary.csv"),
        figure=results("recipes/coherence.png"),
    params:
        recipes=["warm", "original"],
    message:
        "Compare this recipe's frames with the original recipe's."

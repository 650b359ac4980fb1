# Fit the Gaussians: the neutral frame first, then every expression from it.


rule fit_neutral:
    input:
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results(f"frames/{CFG.capture.neutral}.csv"),
        photographs=results(f"dataset/{CFG.capture.neutral}"),
        plates=stage_plates(),
        check=ancient(results("landmarks/check.json")),  # waits for it, and is not made anew by it
    output:
        gaussians=results("gaussians/neutral.h5"),
        picture=report(
            results("renders/fit/neutral.png"),
            caption="../report/fitted_frames.rst",
            category="2 Fits",
            labels={"expression": "neutral"},
        ),
        events=directory(results("tensorboard/neutral")),
    log:
        logs("fit/neutral.log"),
    benchmark:
        benchmarks("fit/neutral.tsv")
    conda:
        "../../envs/training.yaml"
    threads: fit_threads(2)
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=gpu(),
        # not among the params, which rerun: no result depends on it
        checkpoint_steps=CFG.training.checkpoint_steps,
    params:
        training=training_of_neutral(),
        background=CFG.capture.background,
        expression=CFG.capture.neutral,
        seed=CFG.seed,
        device=CFG.device,
        progress=results("progress/fit/neutral"),
        lib=lib("fit_neutral.py"),
    message:
        "Fit the neutral frame"
    script:
        "../scripts/fit_neutral.py"


rule fit_expression:
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames/{expression}.csv"),
        photographs=results("dataset/{expression}"),
        plates=stage_plates(),
    output:
        gaussians=results("gaussians/{expression}.h5"),
        picture=report(
            results("renders/fit/{expression}.png"),
            caption="../report/fitted_frames.rst",
            category="2 Fits",
            labels={"expression": "{expression}"},
        ),
        events=directory(results("tensorboard/{expression}")),
    log:
        logs("fit/{expression}.log"),
    benchmark:
        benchmarks("fit/{expression}.tsv")
    wildcard_constraints:
        expression="|".join(map(re.escape, EXPRESSIONS)),
    conda:
        "../../envs/training.yaml"
    threads: fit_threads(1)
    resources:
        mem_mb=memory(3000),
        runtime=120,
        gpu=gpu(),
        # not among the params, which rerun: no result depends on it
        checkpoint_steps=CFG.training.checkpoint_steps,
    params:
        training=training_params(),
        background=CFG.capture.background,
        expression="{expression}",
        seed=CFG.seed,
        device=CFG.device,
        progress=results("progress/fit/{expression}"),
        lib=lib("fit_expression.py"),
    message:
        "Fit the frames of {wildcards.expression}"
    script:
        "../scripts/fit_expression.py"

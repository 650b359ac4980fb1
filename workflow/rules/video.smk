# Stage 9a: films of tracks along camera paths.


rule video:
    input:
        components=component_file,
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        dataset=results(f"dataset/{CFG.neutral}"),
        panel=results("control/panels/{family}.json"),
        track=results("control/tracks/{family}/{track}.csv"),
    output:
        mp4=results("video/{family}/{track}.mp4"),
        gif=results("video/{family}/{track}.gif"),
        page=report(
            results("video/{family}/{track}.html"),
            caption="../report/video.rst",
            category="3 Components",
            labels={"family": "{family}", "content": "film of the track {track}"},
        ),
    log:
        logs("video/{family}/{track}.log"),
    benchmark:
        benchmarks("video/{family}/{track}.tsv")
    wildcard_constraints:
        track="[A-Za-z0-9_./-]+",
    conda:
        "../../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=60,
        gpu=gpu(),
    params:
        lib=lib("video.py"),
        family="{family}",
        track="{track}",
        path=CFG.video.path,
        cameras=CFG.video.cameras,
        height=CFG.video.height,
        fps=CFG.video.fps,
        device=CFG.device,
    message:
        "Filming the track {wildcards.track} of {wildcards.family}"
    script:
        "../scripts/video.py"

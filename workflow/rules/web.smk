# The one-file web head: everything that poses the head in a browser, from disk, offline.

from types import SimpleNamespace

WEB = ROOT / "workflow" / "web"
WEB_SOURCES = [str(WEB / "index.html"), str(WEB / "style.css"), *map(str, sorted((WEB / "src").glob("*.js")))]


rule retrieve_renderer:
    input:
        lock=str(WEB / "package-lock.json"),
    output:
        archive="resources/retrieved/web_renderer.zip",
    log:
        "logs/retrieve_renderer.log",
    benchmark:
        "logs/benchmarks/retrieve_renderer.tsv"
    conda:
        "../../envs/control.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=10,
    params:
        lib=lib("retrieve_renderer.py"),
    message:
        "Retrieve three.js and Spark, which draw the web head"
    script:
        "../scripts/retrieve_renderer.py"


rule web_head:
    input:
        components=[component_file(SimpleNamespace(family=family)) for family in CFG.control.families],
        panels=of_every_family("control/panels/{family}.json"),
        tracks=of_every_family("control/tracks/{family}/tour.csv")
        + expand(
            results("control/tracks/{family}/{expression}.csv"),
            family=CFG.control.families,
            expression=EXPRESSIONS,
        ),
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        dataset=results(f"dataset/{CFG.neutral}"),
        sources=WEB_SOURCES,
        renderer=rules.retrieve_renderer.output.archive,
    output:
        page=results("control/head.html"),
        numbers=results("control/head.json"),
    log:
        logs("web_head.log"),
    benchmark:
        benchmarks("web_head.tsv")
    conda:
        "../../envs/control.yaml"
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=30,
        gpu=gpu(),
    params:
        families=CFG.control.families,
        subject=CFG.subject,
        measured_cameras=2,
        notice=NOTICE,
        device=CFG.device,
        lib=lib("web_head.py"),
    message:
        "The web head: one file to open in a browser"
    script:
        "../scripts/web_head.py"

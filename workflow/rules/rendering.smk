# Pictures of what the components do.


rule render_family:
    input:
        components=component_file,
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        dataset=results(f"dataset/{CFG.neutral}"),
    output:
        sheet=report(
            results("renders/{family}/contact_sheet.jpg"),
            caption="../report/contact_sheet.rst",
            category="3 Components",
            labels={"family": "{family}", "content": "contact sheet"},
        ),
        heat=report(
            results("renders/{family}/heat_maps.png"),
            caption="../report/heat_maps.rst",
            category="3 Components",
            labels={"family": "{family}", "content": "where they act"},
        ),
        page=report(
            results("renders/{family}/animation.html"),
            caption="../report/animation.rst",
            category="3 Components",
            labels={"family": "{family}", "content": "animation"},
        ),
        mp4=results("renders/{family}/animation.mp4"),
        gif=results("renders/{family}/animation.gif"),
        stills=directory(results("renders/{family}/stills")),
    log:
        logs("render_family/{family}.log"),
    benchmark:
        benchmarks("render_family/{family}.tsv")
    conda:
        "../../envs/evaluation.yaml"
    threads: threads_of_large(2)
    resources:
        mem_mb=memory(3000),
        runtime=30,
        gpu=gpu(),
    params:
        lib=lib("render_family.py"),
        components=CFG.rendering.components,
        image_height=CFG.rendering.image_height,
        device=CFG.device,
    message:
        "Picturing the components of {wildcards.family}"
    script:
        "../scripts/render_family.py"

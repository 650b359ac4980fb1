# Stage 9b: files that other programs open.


rule export_pose:
    input:
        components=component_file,
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        panel=results("control/panels/{family}.json"),
        track=track_of_named_pose,
    output:
        ply=results("export/{family}/poses/{pose}.ply"),
        spz=results("export/{family}/poses/{pose}.spz"),
        glb=results("export/{family}/poses/{pose}.glb"),
    log:
        logs("export_pose/{family}/{pose}.log"),
    benchmark:
        benchmarks("export_pose/{family}/{pose}.tsv")
    wildcard_constraints:
        pose="[A-Za-z0-9][A-Za-z0-9_.-]*",
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        lib=lib("export_pose.py"),
        pose="{pose}",
    message:
        "Exporting the pose {wildcards.pose} of {wildcards.family}"
    script:
        "../scripts/export_pose.py"


rule export_head:
    input:
        components=component_file,
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        panel=results("control/panels/{family}.json"),
        track=tour_of_family,
    output:
        glb=results("export/{family}/head.glb"),
    log:
        logs("export_head/{family}.log"),
    benchmark:
        benchmarks("export_head/{family}.tsv")
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        lib=lib("export_head.py"),
        name=CFG.subject,
        level=level_called(CFG.export.mesh_level),
    message:
        "Exporting the head with the components of {wildcards.family} as morph targets"
    script:
        "../scripts/export_head.py"


rule export_rig:
    input:
        components=component_file,
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        panel=results("control/panels/{family}.json"),
    output:
        rig=results("export/{family}/rig.safetensors"),
    log:
        logs("export_rig/{family}.log"),
    benchmark:
        benchmarks("export_rig/{family}.tsv")
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        lib=lib("export_rig.py"),
        family="{family}",
        subject=CFG.subject,
    message:
        "Exporting the rig {wildcards.family} as plain arrays"
    script:
        "../scripts/export_rig.py"


rule export_fidelity:
    # reads every exported pose again and renders it beside what was exported
    input:
        components=component_file,
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        dataset=results(f"dataset/{CFG.neutral}"),
        panel=results("control/panels/{family}.json"),
        tracks=tracks_of_exported_poses,
        files=exported_poses,
    output:
        table=report(
            results("export/{family}/fidelity.csv"),
            caption="../report/export_fidelity.rst",
            category="3 Components",
            labels={"family": "{family}", "content": "what exported poses lose"},
        ),
    log:
        logs("export_fidelity/{family}.log"),
    benchmark:
        benchmarks("export_fidelity/{family}.tsv")
    conda:
        "../../envs/export.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000),
        runtime=20,
        gpu=gpu(),
    params:
        lib=lib("export_fidelity.py"),
        poses=CFG.export.poses,
        expressions=EXPRESSIONS,
        device=CFG.device,
    message:
        "Measuring what exported poses of {wildcards.family} lose"
    script:
        "../scripts/export_fidelity.py"

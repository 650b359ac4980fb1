# Images and animations of the components.


rule render_family:
    input:
        **SCENE,
        components=component_file,
    output:
        sheet=reported("renders/{family}/contact_sheet.jpg", "contact_sheet", "3 Components", content="contact sheet"),
        heat=reported("renders/{family}/heat_maps.png", "heat_maps", "3 Components", content="where they act"),
        page=reported("renders/{family}/animation.html", "animation", "3 Components", content="animation"),
        mp4=results("renders/{family}/animation.mp4"),
        gif=results("renders/{family}/animation.gif"),
        stills=directory(results("renders/{family}/stills")),
    conda:
        "../../envs/evaluation.yaml"
    threads: threads_of_large(2)
    resources:
        mem_mb=memory(3000),
        runtime=30,
        gpu=gpu(),
    params:
        components=CFG.rendering.components,
        image_height=CFG.rendering.image_height,
        device=CFG.device,
    message:
        "Rendering the components of {wildcards.family}"
    script:
        "../scripts/render_family.py"


# Films of tracks along camera paths.


rule film_track:
    input:
        **SCENE,
        components=component_file,
        panel=results("control/panels/{family}.json"),
        track=results("control/tracks/{family}/{track}.csv"),
    output:
        mp4=results("video/{family}/{track}.mp4"),
        gif=results("video/{family}/{track}.gif"),
        page=reported("video/{family}/{track}.html", "video", "3 Components", content="film of the track {track}"),
    conda:
        "../../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=60,
        gpu=gpu(),
    params:
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
        "../scripts/film_track.py"


# Files for other programs.


rule export_pose:
    input:
        **HEAD,
        components=component_file,
        panel=results("control/panels/{family}.json"),
        track=lambda wildcards: tracks_of_poses([wildcards.pose], wildcards.family),
    output:
        ply=results("export/{family}/poses/{pose}.ply"),
        spz=results("export/{family}/poses/{pose}.spz"),
        spz4=results("export/{family}/poses/{pose}.v4.spz"),
        glb=results("export/{family}/poses/{pose}.glb"),
    wildcard_constraints:
        pose=rf"{NAME}(?<!\.v4)",
    conda:
        "../../envs/export.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        pose="{pose}",
    message:
        "Exporting the pose {wildcards.pose} of {wildcards.family}"
    script:
        "../scripts/export_pose.py"


rule export_head:
    input:
        **HEAD,
        components=component_file,
        panel=results("control/panels/{family}.json"),
        track=results("control/tracks/{family}/tour.csv"),
    output:
        glb=results("export/{family}/{head}.glb"),
    wildcard_constraints:
        head="head|head_sparse",
    conda:
        "../../envs/export.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        name=CFG.subject,
        level=level_called(CFG.export.mesh_level),
        sparse=lambda wildcards: wildcards.head == "head_sparse",
    message:
        "Exporting the head with the components of {wildcards.family} as morph targets"
    script:
        "../scripts/export_head.py"


rule export_track:
    # on request, by file name
    input:
        **HEAD,
        components=component_file,
        panel=results("control/panels/{family}.json"),
        track=results("control/tracks/{family}/{track}.csv"),
    output:
        usd=results("export/{family}/tracks/{track}.usdc"),
    conda:
        "../../envs/export.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        name=CFG.subject,
        fps=CFG.video.fps,
    message:
        "Exporting the track {wildcards.track} of {wildcards.family} as OpenUSD"
    script:
        "../scripts/export_track.py"


rule export_sequence:
    # on request, by file name
    input:
        **HEAD,
        components=component_file,
        panel=results("control/panels/{family}.json"),
        track=results("control/tracks/{family}/{track}.csv"),
    output:
        folder=directory(results("export/{family}/sequences/{track}")),
    conda:
        "../../envs/export.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        fps=CFG.video.fps,
    message:
        "Exporting the track {wildcards.track} of {wildcards.family} as a PLY file per frame"
    script:
        "../scripts/export_sequence.py"


rule export_rig:
    input:
        **HEAD,
        components=component_file,
        panel=results("control/panels/{family}.json"),
    output:
        rig=results("export/{family}/rig.safetensors"),
    conda:
        "../../envs/export.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        family="{family}",
        subject=CFG.subject,
    message:
        "Exporting the rig {wildcards.family} as plain arrays"
    script:
        "../scripts/export_rig.py"


rule export_live_link:
    # a track of a family with ARKit's names, for programs that read Live Link Face's files; on request, by file name
    input:
        track=results("control/tracks/{family}/{track}.csv"),
    output:
        csv=results("export/{family}/live_link/{track}.csv"),
    conda:
        "../../envs/export.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=10,
    message:
        "Exporting the track {wildcards.track} of {wildcards.family} for Live Link Face"
    script:
        "../scripts/export_live_link.py"


rule export_fidelity:
    # reads every exported pose back and compares its renderings with those of the original
    input:
        **SCENE,
        components=component_file,
        panel=results("control/panels/{family}.json"),
        tracks=lambda wildcards: tracks_of_poses(CFG.export.poses, wildcards.family),
        files=exported_poses,
    output:
        table=reported(
            "export/{family}/fidelity.csv", "export_fidelity", "3 Components", content="fidelity of exported poses"
        ),
    conda:
        "../../envs/export.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000),
        runtime=20,
        gpu=gpu(),
    params:
        poses=CFG.export.poses,
        expressions=EXPRESSIONS,
        device=CFG.device,
    message:
        "Measuring the fidelity of exported poses of {wildcards.family}"
    script:
        "../scripts/export_fidelity.py"

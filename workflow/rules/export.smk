# Films, and files for other programs.

environment("export")


rule export_pose:
    """Export the pose {wildcards.pose} of {wildcards.family}."""
    input:
        **POSED,
        track=lambda wildcards: SUBJECT.tracks_of_poses([wildcards.pose], wildcards.family),
    output:
        ply=results("export/{family}/poses/{pose}.ply"),
        spz=results("export/{family}/poses/{pose}.spz"),
        spz4=results("export/{family}/poses/{pose}.v4.spz"),
        glb=results("export/{family}/poses/{pose}.glb"),
    params:
        pose="{pose}",
    script:
        "../scripts/export_pose.py"


rule export_head:
    """Export the head with the components of {wildcards.family} as morph targets."""
    input:
        **POSED,
        track=results("control/tracks/{family}/tour.csv"),
    output:
        glb=results("export/{family}/{head}.glb"),
    params:
        **configured(name="subject"),
        level=SUBJECT.level(CFG.export.mesh_level),
        sparse=lambda wildcards: wildcards.head == "head_sparse",
    script:
        "../scripts/export_head.py"


rule export_track:
    """Export, on request, the track {wildcards.track} of {wildcards.family} as OpenUSD."""
    input:
        **POSED,
        **files("track"),
    output:
        usd=results("export/{family}/tracks/{track}.usdc"),
    params:
        **configured("video.fps", name="subject"),
    script:
        "../scripts/export_track.py"


rule export_sequence:
    """Export, on request, the track {wildcards.track} of {wildcards.family} as a PLY file per frame."""
    input:
        **POSED,
        **files("track"),
    output:
        folder=directory(results("export/{family}/sequences/{track}")),
    params:
        **configured("video.fps"),
    script:
        "../scripts/export_sequence.py"


rule export_rig:
    """Export the rig {wildcards.family} as plain arrays."""
    input:
        **POSED,
    output:
        rig=results("export/{family}/rig.safetensors"),
    params:
        **configured("subject"),
        family="{family}",
    script:
        "../scripts/export_rig.py"


rule export_live_link:
    """Export, on request, the track {wildcards.track} of {wildcards.family}, which has ARKit's names, for Live Link."""
    input:
        **files("track"),
    output:
        csv=results("export/{family}/live_link/{track}.csv"),
    script:
        "../scripts/export_live_link.py"


rule export_fidelity:
    """Read exported poses of {wildcards.family} back, and compare their renderings with those of the original."""
    input:
        **SCENE,
        **files("panel"),
        components=SUBJECT.component_file,
        tracks=lambda wildcards: SUBJECT.tracks_of_poses(CFG.export.poses, wildcards.family),
        files=SUBJECT.exported_poses,
    output:
        table=reported("export/{family}/fidelity.csv", "export_fidelity", "3 Components", content="exported poses"),
    threads: threads_of_large(2)
    params:
        **configured("export.poses", "device"),
        expressions=EXPRESSIONS,
    script:
        "../scripts/export_fidelity.py"


environment("evaluation")


rule film_track:
    """Film the track {wildcards.track} of {wildcards.family}."""
    input:
        **SCENE,
        **files("panel", "track"),
        components=SUBJECT.component_file,
    output:
        mp4=results("video/{family}/{track}.mp4"),
        gif=results("video/{family}/{track}.gif"),
        page=reported("video/{family}/{track}.html", "video", "3 Components", content="film of the track {track}"),
    threads: threads_of_large(2)
    params:
        **configured("video.path", "video.cameras", "video.height", "video.fps", "device"),
        family="{family}",
        track="{track}",
    script:
        "../scripts/film_track.py"

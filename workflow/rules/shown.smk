# Which films and which files for other programs are made, and what the rules about them read.

from splatrig.config.models import track_of_pose

POSE_SUFFIXES = ["ply", "spz", "glb"]


def video_files():
    """The films of a complete run."""
    return expand(
        results("video/{family}/{track}.{suffix}"),
        family=CFG.video.family,
        track=CFG.video.tracks,
        suffix=["mp4", "gif"],
    )


def export_files():
    """The files for other programs of a complete run."""
    return expand(
        results("export/{family}/{name}"),
        family=CFG.export.family,
        name=["head.glb", "rig.safetensors", "fidelity.csv"],
    )


def tour_of_family(wildcards):
    """The track through all expressions of a family."""
    return results(f"control/tracks/{wildcards.family}/tour.csv")


def track_of_named_pose(wildcards):
    """The track that a pose is a moment of, if it is one."""
    track = track_of_pose(wildcards.pose, EXPRESSIONS)
    return [results(f"control/tracks/{wildcards.family}/{track}.csv")] if track else []


def exported_poses(wildcards):
    """All files of the poses of a complete run."""
    return expand(
        results("export/{family}/poses/{pose}.{suffix}"),
        family=wildcards.family,
        pose=CFG.export.poses,
        suffix=POSE_SUFFIXES,
    )


def tracks_of_exported_poses(wildcards):
    """The tracks that the poses of a complete run are moments of."""
    tracks = [track_of_pose(pose, EXPRESSIONS) for pose in CFG.export.poses]
    return [results(f"control/tracks/{wildcards.family}/{track}.csv") for track in tracks if track]

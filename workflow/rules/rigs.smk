# Which learned rigs are made, and what they start from.

from dataclasses import replace

from splatrig.config import Steps

JOINT_START = {
    "mesh": {"global": "mesh_pca", "local": "mesh_sldc"},
    "rows": {"global": "pca_all", "local": f"sldc_{CFG.joint.local.map}_xyz"},
}.get(CFG.joint.start, {})


def joint_training():
    """What joint rigs take from the training section: neither steps nor the factor of single frames."""
    return training_params(replace(CFG.training, steps=Steps(neutral=1, frame=1), frame_rate_factor=1.0, seed_steps=1))


def joint_start(wildcards):
    """The component file that a family starts from; none for a random start."""
    name = JOINT_START.get(wildcards.family)
    level = "base" if CFG.joint.start == "mesh" else FINEST
    return [results(f"components/{level}/{name}.h5")] if name else []


def learned_rig_files():
    """The component files of the learned rigs."""
    return expand(results(f"components/{FINEST}/joint_{{family}}.h5"), family=CFG.joint.families)

# Which learned rigs are made, and what they start from.

from dataclasses import replace

from splatrig.config.models import Refit, Steps
from splatrig.config.models import JointLocal, JointSolve

JOINT_START = {
    "mesh": {"global": "mesh_pca", "local": "mesh_sldc"},
    "rows": {"global": "pca_all", "local": f"sldc_{CFG.joint.local.map}_xyz"},
}.get(CFG.joint.start, {})


def joint_training():
    """What joint rigs take from the training section: nothing that only single frames depend on."""
    steps, refit = Steps(neutral=1, frame=1), Refit(below_db=0.0, steps_factor=1.0)
    return training_params(replace(CFG.training, steps=steps, frame_rate_factor=1.0, seed_steps=1, refit=refit))


def joint_params(family):
    """The joint section without what the rig of a family does not depend on."""
    joint = replace(CFG.joint, families=[family], solve=JointSolve(steps=1, rate=1.0))
    if family == "global":
        joint = replace(joint, local=JointLocal(lambda_=0.0, map="gauss", support="hard", sparsity=0.0))
    return to_mapping(joint)


def sldc_of_meshes():
    """The SLDC section for what local rigs start from."""
    joint = CFG.joint
    return sldc_with(joint.local.map, k=joint.k, lambda_=joint.local.lambda_, attribute="xyz")


def joint_start(wildcards):
    """The component file that a family starts from; none for a random start."""
    name = JOINT_START.get(wildcards.family)
    level = "base" if CFG.joint.start == "mesh" else FINEST
    return [results(f"components/{level}/{name}.h5")] if name else []


def learned_rig_files():
    """The component files of the learned rigs."""
    return expand(results(f"components/{FINEST}/joint_{{family}}.h5"), family=CFG.joint.families)

"""Pose a rig that splatrig exported: python load_rig.py rig.safetensors [PRESET | COMPONENT=WEIGHT …] > pose.json.

Needs numpy and safetensors alone. Every array is raw: means in millimeters, log scales, logit opacities, quats wxyz.
"""

import json
import sys

import numpy as np
from safetensors import safe_open

with safe_open(sys.argv[1], framework="numpy") as file:
    rig = json.loads(file.metadata()["splatrig"])
    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

weights = np.zeros(len(rig["names"]), np.float32)
for word in sys.argv[2:]:
    name, _, value = word.partition("=")
    if value:
        weights[[component.startswith(name) for component in rig["names"]].index(True)] = float(value)
    else:
        weights += arrays["presets"][rig["presets"].index(name)]

pose = {name[5:]: array for name, array in arrays.items() if name.startswith("rest.")}
for name in [name[6:] for name in arrays if name.startswith("basis.")]:
    pose[name] = pose[name] + np.tensordot(weights, arrays["basis." + name], axes=1)
pose["quats"] /= np.linalg.norm(pose["quats"], axis=1, keepdims=True)
json.dump({name: array.tolist() for name, array in pose.items()}, sys.stdout)

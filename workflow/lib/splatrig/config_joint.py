"""The section `joint` of the configuration; see `splatrig.config`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JointBatch:
    """`joint.batch`: the size of one step."""

    frames: int
    cameras: int


@dataclass(frozen=True)
class JointAppearance:
    """`joint.appearance`: a block of components of its own."""

    attributes: list[str]
    k: int


@dataclass(frozen=True)
class JointLocal:
    """`joint.local`: what only local components need."""

    lambda_: float
    map: str
    support: str
    sparsity: float


@dataclass(frozen=True)
class JointSolve:
    """`joint.solve`: how weights of unseen frames are found from photographs."""

    steps: int
    rate: float


@dataclass(frozen=True)
class JointConfig:
    """`joint`: rigs learned through the rasteriser."""

    families: list[str]
    k: int
    start: str
    level: str | None
    attributes: list[str]
    appearance: JointAppearance
    steps: int
    devices: int
    batch: JointBatch
    rate_factor: float
    base_rate_factor: float
    weight_rate: float
    final_rate: float
    ridge: float
    smoothness: float
    back_faces: float
    dropout: float
    check_every: int
    patience: int
    validation_pairs: int
    memory_gib: float
    passes: int
    local: JointLocal
    solve: JointSolve

"""Allowed words of configuration keys and table columns, as types."""

from typing import Literal

Device = Literal["auto", "cuda", "cpu"]
Role = Literal["train", "held_out"]
"""Role of a frame or a camera: used for learning, or only for measuring. It is not a key, but follows from
`capture.held_out`."""
Split = Literal["train", "held_out", "left_out"]
"""Split of a value in a table of the evaluation: frames learned from, held out, or left out of one learning."""
LevelName = Literal["base", "subd1", "subd2", "subd3"]
Level = Literal[LevelName, "finest"]
"""A level as a user may name it; `finest` is the last one that `mesh.subdivisions` gives."""

FrameSelection = Literal["first", "uniform", "spread"]
ColorCorrection = Literal["multiface_gamma", "ava256_gamma", "goliath_gamma"]
Background = Literal["silhouette", "masks", "plate", "segmentation", "none"]
Doctor = Literal["stop", "warn"]
Holes = Literal["skip", "refuse"]
ExtraAsset = Literal["unwrapped_uv_1024", "audio"]
Checksums = Literal["required", "if_listed"]
DemoPerson = Literal["first", "second"]

Recipe = Literal["warm", "original"]

Rest = Literal["neutral", "mean"]
"""Shape at zero weights."""
DataMatrixStorage = Literal["store", "link", "omit"]
PcaWeights = Literal["uniform", "face"]
SldcWeights = Literal["nonnegative", "signed"]
Distance = Literal["relative", "mm"]

LearnedFamily = Literal["arkit", "global", "local"]

Smoothing = Literal["gaussian", "savgol"]
CameraPath = Literal["orbit", "cameras", "fixed"]

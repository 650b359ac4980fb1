"""The words that keys of the configuration and columns of tables may have, as types."""

from typing import Literal

Device = Literal["auto", "cuda", "cpu"]
Role = Literal["train", "held_out"]
"""Of a frame or a camera: what learns, and what only measures. Not a key: it follows from `capture.held_out`."""
Split = Literal["train", "held_out", "left_out"]
"""Of a number in a table of the evaluation: of frames learned from, held out, or left out of learning for it."""
LevelName = Literal["base", "subd1", "subd2", "subd3"]
Level = Literal[LevelName, "finest"]
"""A level as a user may name it; `finest` is the last that `mesh.subdivisions` gives."""

FrameSelection = Literal["first", "uniform", "spread"]
ColorCorrection = Literal["multiface_gamma", "ava256_gamma", "goliath_gamma"]
Background = Literal["silhouette", "masks", "plate", "none"]
Doctor = Literal["stop", "warn"]
Holes = Literal["skip", "refuse"]
ExtraAsset = Literal["unwrapped_uv_1024", "audio"]
Checksums = Literal["required", "if_listed"]
DemoPerson = Literal["first", "second"]

Recipe = Literal["warm", "original"]

Rest = Literal["neutral", "mean"]
"""What weights of zero give."""
DataMatrixStorage = Literal["store", "link", "omit"]
PcaWeights = Literal["uniform", "face"]
SldcWeights = Literal["nonnegative", "signed"]
Distance = Literal["relative", "mm"]

LearnedFamily = Literal["arkit", "global", "local"]

Smoothing = Literal["gaussian", "savgol"]
CameraPath = Literal["orbit", "cameras", "fixed"]

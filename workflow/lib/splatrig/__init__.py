"""splatrig: animatable heads of structured 3D Gaussians, as pure functions on arrays.

The rooms of this package look in one direction only: mesh, capture and gaussians, rasterize, training and components,
joint, animation, evaluation and control, export. A room imports only rooms named before it; `make lint` checks it.
"""

__version__ = "0.1.0"

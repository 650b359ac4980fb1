"""splatrig: animatable heads of structured 3D Gaussians, as pure functions on arrays.

The rooms of this package look in one direction only: mesh, capture, gaussians, rasterize, training,
components, animation, evaluation. A room imports only rooms named before it.
"""

__version__ = "0.1.0"

"""Animatable heads of structured 3D Gaussians, as pure functions on arrays.

A room (a package of this one) imports only from rooms below it: docs/architecture.md lists them, `make lint` checks it.
"""

__version__ = "0.1.0"

"""Mesh topology, subdivision, masks, geodesics and mesh files."""

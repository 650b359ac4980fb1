"""Rigs learned through the rasterizer: base, components and weights together, over all frames and cameras."""

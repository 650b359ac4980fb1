"""Rigs learned through the rasteriser: base, components and weights together, over all frames and cameras."""

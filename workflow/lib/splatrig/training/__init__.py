"""Fit Gaussians to photographs."""

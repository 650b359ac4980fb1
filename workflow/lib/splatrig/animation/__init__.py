"""Evaluate a rig: coefficients to Gaussians, cameras to pictures."""

"""Deformation components of fitted frames (PCA, sparse PCA, SLDC, upsampled PCA) and the rig that evaluates them."""

"""Tracked meshes from calibrated photographs alone: a template head is located, posed and deformed in every frame."""

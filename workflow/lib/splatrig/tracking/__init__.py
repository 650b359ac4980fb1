"""Tracked meshes from calibrated photographs alone: the template head found, posed and bent in every frame."""

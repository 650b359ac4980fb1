"""Landmarks of the face: a network finds them in photographs, cameras place them in space; and what they tell."""

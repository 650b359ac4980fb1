"""Pose and animate heads: tracks of weights, retargeting, the web head, from disk or served."""

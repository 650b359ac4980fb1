"""Pose and animate: tracks of weights, retargeting, the web head, from disk or served."""

"""Shared parts of the workflow's rules: paths, params from the configuration, and resources."""

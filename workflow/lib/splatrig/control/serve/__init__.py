"""Serve the web head on this machine: the page of a finished run, with its photographs and its other families."""

"""The web head served on this machine: the page of a finished run, with its photographs and its other families."""

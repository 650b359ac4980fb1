"""Tables and figures that say how good a fit or a rig is."""

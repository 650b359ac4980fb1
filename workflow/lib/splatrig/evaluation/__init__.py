"""Tables and figures that measure the quality of fits and rigs."""

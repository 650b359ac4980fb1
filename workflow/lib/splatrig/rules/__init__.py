"""What the rules of the workflow are made of: where files are, params from the configuration, what jobs need."""

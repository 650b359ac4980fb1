"""Parts that rules of the workflow share: paths, params from the configuration, resources, and what all rules get."""

"""The one error that users are meant to read."""


class InputError(ValueError):
    """Report bad input in one sentence: what, where, got, expected, what to do."""

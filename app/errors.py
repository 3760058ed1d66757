"""The one root of what a person can get wrong."""


class UserError(Exception):
    """What is wrong, where, and what to do; the process says it and ends with 2, without a traceback."""

"""The one root of what a person can get wrong."""


class UserError(Exception):
    """What is wrong, where, and what to do, in one or more lines; the process ends with 2 and no traceback."""

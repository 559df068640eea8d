"""The one exception that is meant for the person at the keyboard."""


class UserError(Exception):
    """One sentence: what, where, what to do. `python -m pipeline` prints it without a traceback."""

    exit_code = 1

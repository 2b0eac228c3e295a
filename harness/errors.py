"""Errors that a user can mend; the command line prints them without a traceback."""


class UserError(Exception):
    """Says what was given, what is wrong, and what to do."""


class Diverged(UserError):
    """A model whose numbers are none any more."""

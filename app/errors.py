"""Errors whose text is one sentence for the user. The command line turns each kind into an exit code."""


class UserError(Exception):
    """A mistake of the user; the text says what to do."""


class ServiceError(Exception):
    """A database or a server fails; the text says what to do."""

"""What can go wrong that the person at the bench can put right."""


class PowerlabError(Exception):
    """Base of every error whose message is meant for the user: one line, what to do next.

    The command line prints it without a traceback and exits with status 2.
    """


class TraceError(PowerlabError):
    """A trace, window or run file is not what it should be."""

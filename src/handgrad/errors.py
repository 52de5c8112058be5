"""Errors that a user can cause: the user sees only the message, without a traceback."""


class HandgradError(Exception):
    """An error whose message tells the user which key or file is affected, what is wrong and what to do."""


class ConfigError(HandgradError):
    """config.yaml contains a key or a value that is not allowed."""


class DataError(HandgradError):
    """The archive or a file derived from it is missing, damaged, malicious or has the wrong layout."""


class GradientError(HandgradError):
    """A gradient computed by hand differs from its reference by more than the tolerance."""

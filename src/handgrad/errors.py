"""The errors that a user can cause: their message is all that the user sees of them."""


class HandgradError(Exception):
    """A failure with a message for the user: which key or file, what is wrong, what to do."""


class ConfigError(HandgradError):
    """config.yaml holds a key or a value that is not allowed."""


class DataError(HandgradError):
    """The archive or a file made from it is missing, damaged, hostile or of the wrong layout."""


class GradientError(HandgradError):
    """A gradient computed by hand differs from its reference by more than the tolerance."""

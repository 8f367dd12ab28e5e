"""Every error that dan raises on purpose.

All of them derive from :class:`DanError`; the command line turns any of them into one line on
standard error and exit code 2. Their messages name what was expected, what came, and where.
"""


class DanError(Exception):
    """Base of all errors that the user can act on."""

    exit_code = 2


class ShapeError(DanError, ValueError):
    """An array has another shape than the function needs."""


class DegenerateShapeError(DanError, ValueError):
    """Points or boxes that span no area, so that no transform is defined by them."""


class FormatError(DanError, ValueError):
    """A file does not follow its format."""


class ImageError(DanError, ValueError):
    """An image file that cannot be read whole."""


class DataError(DanError, ValueError):
    """A data set that is missing, empty or inconsistent."""


class ConfigError(DanError, ValueError):
    """A setting that is unknown, of the wrong type or out of range."""


class CheckpointError(DanError, ValueError):
    """A checkpoint that is missing, damaged or does not match the model."""


class BundleError(DanError, ValueError):
    """A bundle that is missing, damaged, foreign or of another format version."""


class ParityError(DanError, ArithmeticError):
    """An exported graph finds other points than the model that it was made from."""


class DeviceError(DanError, RuntimeError):
    """The requested device or precision is not available on this machine."""


class NonFiniteLossError(DanError, ArithmeticError):
    """The training loss became NaN or infinite."""


class LostProcessError(DanError, RuntimeError):
    """Another process of the same training is gone, or cannot be reached."""


class InterruptedTrainingError(DanError):
    """Ctrl-C came during a training; its state was saved first."""

    exit_code = 130

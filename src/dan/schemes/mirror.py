"""Mirror files: one line of indices with commas: the landmark that takes each place in a flip."""

from dan.core.errors import ConfigError, FormatError
from dan.core.files import read_text
from dan.core.types import FilePath
from dan.schemes.scheme import LandmarkScheme


def parse_mirror(text: str) -> list[int]:
    """Indices of a mirror file's text; white space and a closing comma do not matter."""
    entries = [entry.strip() for entry in text.replace("\n", ",").split(",")]
    try:
        indices = [int(entry) for entry in entries if entry]
    except ValueError as error:
        raise FormatError(f"expected whole numbers with commas between them: {error}") from error
    if not indices:
        raise FormatError("expected one line of comma-separated indices, got nothing")
    return indices


def load_mirror(path: FilePath, n_landmarks: int | None = None) -> LandmarkScheme:
    """The scheme that a mirror file defines.

    Args:
        n_landmarks: how many indices are expected; None takes any number.

    Raises:
        FormatError: if the file is missing, malformed, of another length or not an involution;
            the message names the file.
    """
    text = read_text(path)
    try:
        scheme = LandmarkScheme.from_mirror(parse_mirror(text))
    except (FormatError, ConfigError) as error:
        raise FormatError(f"{path}: {error}") from error
    if n_landmarks is not None and scheme.n_landmarks != n_landmarks:
        raise FormatError(
            f"{path}: expected {n_landmarks} indices, one a landmark, got {scheme.n_landmarks}"
        )
    return scheme


def render_mirror(scheme: LandmarkScheme) -> str:
    """The mirror file of a scheme.

    Raises:
        ConfigError: if the scheme does not define flipping.
    """
    if scheme.mirror is None:
        raise ConfigError(f"scheme {scheme.name}: expected flip partners, got none")
    return ",".join(map(str, scheme.mirror.tolist())) + "\n"

"""The guards of arrays' shapes and of settings, with one form of message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from dan.core.errors import ConfigError, DanError, ShapeError
from dan.core.types import Box, Points

if TYPE_CHECKING:
    from msgspec import Struct

StructT = TypeVar("StructT", bound="Struct")

KIND_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list",
    "object": "a table",
}
"""What msgspec calls the kinds of values, in the words of TOML."""


def check_shape(name: str, array: npt.ArrayLike, expected: Sequence[int | str]) -> None:
    """Check an array's shape.

    Args:
        name: what the array is called in the message.
        array: the array to check.
        expected: one entry per axis; an integer must match, a letter stands for any length, and
            the same letter must stand for the same length wherever it appears.

    Raises:
        ShapeError: naming the expected and the actual shape.
    """
    shape = np.shape(array)
    lengths: dict[str, int] = {}
    fits = len(shape) == len(expected)
    for wanted, length in zip(expected, shape, strict=False):
        fits &= length == (
            lengths.setdefault(wanted, length) if isinstance(wanted, str) else wanted
        )
    if not fits:
        form = ", ".join(map(str, expected))
        raise ShapeError(f"{name}: expected shape ({form}), got {shape}")


def as_array(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the values as an array proper: a matrix or the like has rules of its own.

    Raises:
        ShapeError: if they are ragged, or some of a masked array are masked: these have no value.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: expected an array of numbers: {error}") from error
    if isinstance(values, np.ma.MaskedArray) and (missing := int(np.sum(values.mask))):
        raise ShapeError(
            f"{name}: expected values everywhere, got a masked array with {missing} masked; "
            "filled() gives them values"
        )
    return array


def as_floats(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the values as a float64 array, or raise ShapeError where they are not numbers."""
    array = as_array(name, values)
    if array.dtype.kind in "cmM":  # these would lose a part, or their meaning, in silence
        raise ShapeError(f"{name}: expected an array of numbers, got {array.dtype}")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: expected an array of numbers: {error}") from error


def as_points(name: str, points: npt.ArrayLike, n_landmarks: int | None = None) -> Points:
    """Return ``points`` as a floating (N, 2) array, or raise ShapeError.

    Integer input becomes float32; floating input keeps its type and is not copied.
    """
    array = as_array(name, points)
    check_shape(name, array, ("N" if n_landmarks is None else n_landmarks, 2))
    return array if array.dtype.kind == "f" else as_floats(name, array).astype(np.float32)


def as_box(name: str, box_xyxy: npt.ArrayLike) -> Box:
    """Return a (4,) float64 box with positive width and height, or raise ShapeError."""
    box = as_floats(name, box_xyxy)
    check_shape(name, box, (4,))
    if not (np.isfinite(box).all() and box[2] > box[0] and box[3] > box[1]):
        raise ShapeError(f"{name}: expected x0 < x1 and y0 < y1, got {box.tolist()}")
    return box


def build_struct(
    kind: type[StructT], values: object, words: Mapping[str, str] | None = None
) -> StructT:
    """A msgspec struct from nested tables, as TOML and JSON give them.

    Args:
        kind: the struct; its ``__post_init__`` may raise errors of ours.
        values: a table.
        words: more kinds of values in words, beside ``KIND_WORDS``.

    Raises:
        ConfigError: naming the entry, what was expected and what came.
    """
    import msgspec

    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, DanError):
            raise error.__cause__ from None
        raise ConfigError(_in_words(str(error), kind, values, words or {})) from None


def _in_words(said: str, kind: Any, value: Any, words: Mapping[str, str]) -> str:  # noqa: ANN401
    """What msgspec says of a value, such as ``Expected `int`, got `str` - at `$.model.width```."""
    at = re.search(r" - at `\$([^`]*)`$", said)
    said, path, name = (said, "", "") if at is None else (said[: at.start()], at[1], "")
    for field, item in re.findall(r"\.(\w+)|\[([^\]]+)\]", path):
        if field:
            kind, value, name = _field_types(kind)[field], value[field], f"{name}.{field}"
        elif item == "...":  # some key of a table
            kind = get_args(kind)[1]
            key = next(key for key in value if not _fits(value[key], kind))
            value, name = value[key], f"{name}.{_bare(key)}"
        else:
            kind = (*get_args(kind), kind)[0]
            value, name = value[int(item)], f"{name}[{item}]"
    name = name.removeprefix(".")
    quoted = re.findall("`(.*?)`", said, flags=re.DOTALL)
    if "field `" in said:
        entry = f"{name}.{_bare(quoted[0])}".removeprefix(".")
        if "missing" in said:
            return f"{entry}: expected an entry, found none"
        return f"{entry}: unknown setting; known: {', '.join(_field_types(kind))}"
    if get_origin(kind) is Literal:
        expected = f"one of {', '.join(map(str, get_args(kind)))}"
    else:
        kinds = quoted[0] if quoted else "float"  # of one beyond all floats it says no kind
        expected = _kind_in_words(said, kinds, words)
    return f"{name}: expected {expected}, got {value!r:.80}".removeprefix(": ")


def _bare(key: str) -> str:
    """A key as TOML has it, so that the message stays one line."""
    return key if re.fullmatch(r"[\w-]+", key) else repr(key)


def _kind_in_words(said: str, kinds: str, words: Mapping[str, str]) -> str:
    words = {**KIND_WORDS, **words}
    kinds = kinds.removesuffix(" | null")
    in_words = words.get(kinds) or " or ".join(words.get(kind, kind) for kind in kinds.split(" | "))
    limit = re.search(r"` (of length [^,]*|[<>]=? [^,]*)", said)
    return f"{in_words} {limit[1].removesuffix('.0')}" if limit else in_words


def _field_types(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """Of a struct, or of the one in ``STRUCT | None``."""
    (struct,) = [each for each in (kind, *get_args(kind)) if hasattr(each, "__struct_fields__")]
    return get_type_hints(struct)


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401
    import msgspec

    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True

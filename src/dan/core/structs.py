"""Settings as typed structs: what msgspec finds wrong with them, in the words of their file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from dan.core.errors import ConfigError, DanError

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


def build_struct(
    kind: type[StructT],
    values: object,
    words: Mapping[str, str] | None = None,
    *,
    strict: bool = True,
) -> StructT:
    """A msgspec struct from nested tables, as TOML and JSON give them.

    Args:
        kind: the struct; its ``__post_init__`` may raise errors of ours.
        words: more kinds of values in words, beside ``KIND_WORDS``.
        strict: if false, texts count as the numbers and truths that they spell.

    Raises:
        ConfigError: naming the entry, what was expected and what came.
    """
    import msgspec

    try:
        return msgspec.convert(values, kind, strict=strict)
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

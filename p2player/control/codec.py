"""Typed messages as JSON: one rule for every frozen dataclass that goes over the control socket, and for errors."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from p2player import errors
from p2player.errors import BadInput, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference
from p2player.peer.identity import NodeId

T = TypeVar("T")


def to_json(value: object) -> Any:
    """Return value as JSON has it: dataclasses as objects, names such as digests as text, bytes in hexadecimal."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.hex()
        case Digest() | NodeId() | Platform() | Reference():
            return str(value)
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case tuple() | list():
            return [to_json(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(kind: type[T], value: Any) -> T:
    """Return the kind that `to_json` gave value for, or raise BadInput."""
    try:
        decoded: T = _decode(kind, value)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadInput(f"not a {kind.__name__} message: {error!r}") from error
    return decoded


def _decode(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        (some,) = (option for option in arguments if option is not types.NoneType)
        return None if value is None else _decode(some, value)
    if origin is Literal:
        return arguments[arguments.index(value)]
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is tuple:
        return tuple(_decode(some, item) for some, item in zip(arguments, value, strict=True))
    if origin is Mapping:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    return _decode_plain(kind, value)


def _decode_plain(kind: Any, value: Any) -> Any:
    if kind in {Digest, Platform, Reference}:
        return kind.parse(value)
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is NodeId:
        return NodeId(bytes.fromhex(value))
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{field.name: _decode(hints[field.name], value[field.name]) for field in fields(kind)})
    if not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


def error_to_json(error: P2PlayerError) -> dict[str, str]:
    """Return the error as the control socket and `--json` show it."""
    return {"error": error.name, "message": error.message, "hint": error.hint}


def error_from_json(members: Mapping[str, Any]) -> P2PlayerError:
    """Return the error again; one whose class is not known here is a plain P2PlayerError. Raises BadInput if it is none."""
    match {"hint": "", **members}:
        case {"error": str(name), "message": str(message), "hint": str(hint)}:
            return _ERRORS.get(name, P2PlayerError)(message, hint=hint)
    raise BadInput(f"not an error message: {str(members)[:200]}")


def _family(kind: type[P2PlayerError]) -> Iterator[type[P2PlayerError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


_ERRORS = {kind.__name__: kind for kind in _family(P2PlayerError) if kind.__module__ == errors.__name__}

"""What of a document an onlooker sees, read off the models: content only where it is wanted.

What a model doesn't declare isn't shown, and what has no declared form is content, or is refused
where it is declared: nothing comes through because nobody has thought of it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from autogpt_db.models.marks import Content, Secret
from autogpt_db.signatures.annotations import member_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Shown = Callable[[bytes], Any]
"""Makes of a document's JSON what may be seen of it, which can be encoded again."""

items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
"""The documents of a list, as they are."""
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_CONTAINERS = (b"{", b"[")
_SCALARS = {str, int, float, bool, types.NoneType, None}


def marks_of(hint: Any) -> tuple[Any, ...]:
    """Return what a member is marked with.

    Args:
        hint: What `typing.get_type_hints` tells of it.
    """
    annotation, _ = member_of(hint)
    return typing.get_args(annotation)[1:] if typing.get_origin(annotation) is Annotated else ()


def is_content(hint: Any) -> bool:
    """Tell whether a member is users' content."""
    return any(isinstance(mark, Content) for mark in marks_of(hint))


def members_of(model: Any) -> dict[str, Any]:
    """Return a model's members by name, as `typing.get_type_hints` tells of them."""
    return typing.get_type_hints(model, include_extras=True)


def secrets_in(annotation: Any) -> list[str]:
    """Return the members that open something of what a type holds: `Webhook.secret`.

    Args:
        annotation: The type, resolved.
    """
    return sorted(set(_secrets_in(annotation, set())))


def _secrets_in(annotation: Any, seen: set[Any]) -> Iterator[str]:
    if typing.is_typeddict(annotation):
        if annotation in seen:
            return
        seen.add(annotation)
        for name, hint in members_of(annotation).items():
            if any(isinstance(mark, Secret) for mark in marks_of(hint)):
                yield f"{annotation.__name__}.{name}"
            yield from _secrets_in(member_of(hint)[0], seen)
        return
    for part in typing.get_args(annotation):
        yield from _secrets_in(part, seen)


def shown(annotation: Any, *, content: bool) -> Shown:
    """Return what makes of a document's JSON what may be seen of it.

    What isn't looked into stays as it is, to the last digit of its numbers.

    Args:
        annotation: The document's type, resolved.
        content: Whether users' content is shown.

    Raises:
        TypeError: Something in it has no declared form, and isn't said to be content.
    """
    return _shown(annotation, content, {})


def _shown(annotation: Any, content: bool, made: dict[Any, Any]) -> Shown:
    if typing.is_typeddict(annotation):
        if annotation not in made:
            members: dict[str, Shown] = {}
            made[annotation] = partial(_of_object, members)  # one that holds itself finds itself
            for name, hint in members_of(annotation).items():
                if not is_content(hint):
                    members[name] = _shown(member_of(hint)[0], content, made)
                elif content:
                    members[name] = _as_it_is
        found: Shown = made[annotation]
        return found
    if annotation in _SCALARS:
        return _scalar
    return _composed(annotation, content, made)


def _composed(annotation: Any, content: bool, made: dict[Any, Any]) -> Shown:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _scalar
    if origin is Annotated:
        return _shown(arguments[0], content, made)
    if origin is list:
        return partial(_of_list, _shown(arguments[0], content, made))
    if origin is dict and arguments[0] is str:
        return partial(_of_values, _shown(arguments[1], content, made))
    if origin in {typing.Union, types.UnionType}:
        parts = [each for each in arguments if each not in _SCALARS]
        if not parts:
            return _scalar
        if len(parts) == 1:
            return partial(_of_either, _shown(parts[0], content, made))
    raise TypeError(
        f"{annotation} has no declared form: declare one, or mark the member that it is in as "
        "Content"
    )


def _as_it_is(given: bytes) -> msgspec.Raw:
    return msgspec.Raw(given)


def _scalar(given: bytes) -> msgspec.Raw | None:
    return None if given.startswith(_CONTAINERS) else msgspec.Raw(given)


def _of_object(members: dict[str, Shown], given: bytes) -> dict[str, Any] | None:
    if not given.startswith(b"{"):
        return None
    found = _members(given)
    return {name: see(bytes(found[name])) for name, see in members.items() if name in found}


def _of_list(see: Shown, given: bytes) -> list[Any] | None:
    return [see(bytes(each)) for each in items_of(given)] if given.startswith(b"[") else None


def _of_values(see: Shown, given: bytes) -> dict[str, Any] | None:
    if not given.startswith(b"{"):
        return None
    return {key: see(bytes(each)) for key, each in _members(given).items()}


def _of_either(see: Shown, given: bytes) -> Any:
    """Return a value that is a scalar, or of the one type beside."""
    return see(given) if given.startswith(_CONTAINERS) else _scalar(given)

"""From a request's body to an operation's arguments: a fast path, and one that explains.

The fast path decodes the body into a struct made from the signature and takes plain JSON types
only. Whatever it refuses goes the slow path from the start, which makes AutoGPT's loose conversions
and says what is wrong with each field. Where both accept, both give equal arguments.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ArgumentsNotHonouredError,
    BodyUnreadableError,
    CallError,
)
from autogpt_db.signatures.bounds import check_items
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.json_text import MAXIMUM_DEPTH, check_depth
from autogpt_db.signatures.shapes import INVALID, Shape, is_list, is_plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.settings import LimitsSettings

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

NO_DEFAULT = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class ParameterShape:
    """A parameter as the decoder needs it.

    Attributes:
        name: Its key in the body.
        shape: What it accepts.
        default: What stands for an absent one; `NO_DEFAULT` when it must be there.
        limit: The option of `limits` that bounds a number, if one does.
    """

    name: str
    shape: Shape
    default: Any = NO_DEFAULT
    limit: str | None = None

    @property
    def required(self) -> bool:
        """Tell whether the body must have it."""
        return self.default is NO_DEFAULT


class ArgumentsDecoder:
    """Decodes and validates the bodies of one operation."""

    def __init__(
        self,
        name: str,
        parameters: tuple[ParameterShape, ...],
        harmless: Mapping[str, Any] | None = None,
    ) -> None:
        """Compile the fast path.

        Args:
            name: The operation's name.
            parameters: Its parameters, in order.
            harmless: Arguments of later releases that aren't among them, and the value of each
                that asks for nothing. Of any other argument that is null.

        Raises:
            TypeError: A parameter's type cannot be decoded.
        """
        self._parameters = parameters
        self._texts = tuple(each.name for each in parameters if is_plain_text(each.shape))
        self._finishes = tuple(
            (each.name, each.shape.finish, each.default)
            for each in parameters
            if each.shape.finish is not None and each.name not in self._texts
        )
        self._lists = tuple(each.name for each in parameters if is_list(each.shape))
        # A default is a finished value: UNSET keeps it from being finished again.
        finished = {name for name, _, _ in self._finishes}
        fields = [
            (each.name, each.shape.fast_type)
            if each.required
            else (
                each.name,
                each.shape.fast_type,
                msgspec.UNSET if each.name in finished else each.default,
            )
            for each in parameters
        ]
        struct = msgspec.defstruct(name, fields, kw_only=True, gc=False, forbid_unknown_fields=True)
        self._decode = msgspec.json.Decoder(struct).decode
        lenient = msgspec.defstruct(name, fields, kw_only=True, gc=False)
        self._decode_known = msgspec.json.Decoder(lenient).decode
        self._harmless = harmless or {}
        self._names = frozenset(each.name for each in parameters)
        self._as_dictionary = msgspec.structs.asdict

    def decode(self, body: bytes, limits: LimitsSettings | None = None) -> dict[str, Any]:
        """Return the arguments by name, defaults filled in.

        Args:
            body: The request's body.
            limits: Bounds the items of lists, before any of them is looked at.

        Raises:
            ArgumentsInvalidError: It isn't JSON, or doesn't fit the signature.
            BodyUnreadableError: It isn't UTF-8, nests too deep, or has an endless integer.
            InvalidValueError: A value fits the signature but not PostgreSQL.
            LimitExceededError: A list has too many items.
        """
        if len(body) > MAXIMUM_DEPTH:
            check_depth(body)
        try:
            return self.decode_fast(body, limits)
        except CallError:
            raise
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
            return self.decode_slowly(body, limits)

    def decode_fast(self, body: bytes, limits: LimitsSettings | None = None) -> dict[str, Any]:
        """Return the arguments of a body that needs no conversion.

        Raises:
            LimitExceededError: A list has too many items.
            msgspec.DecodeError, ValueError, OverflowError, RecursionError: It needs
                `decode_slowly`, to convert it or to say what is wrong.
        """
        if not body.isascii():
            body.decode()  # what no field takes is skipped unread, but must be UTF-8 all the same
        try:
            decoded = self._decode(body)
        except msgspec.ValidationError:
            self._pass_over_others(body)
            decoded = self._decode_known(body)
        arguments = self._as_dictionary(decoded)
        if limits is not None:
            check_items(arguments, limits)
        for name in self._texts:
            text = arguments[name]
            if text and "\0" in text:
                raise ValueError(name)
        for name, finish, default in self._finishes:
            value = arguments[name]
            arguments[name] = default if value is msgspec.UNSET else finish(value)
        return arguments

    def _pass_over_others(self, body: bytes) -> None:
        """Look whether whatever else a body has asks for nothing, as newer clients' bodies do.

        Raises:
            msgspec.DecodeError, ValueError: It doesn't, or something else is wrong.
        """
        others = _members(body).items()
        for name, value in others:
            if name not in self._names and not is_same(
                msgspec.json.decode(value), self._harmless.get(name)
            ):
                raise ValueError(name)

    def decode_slowly(self, body: bytes, limits: LimitsSettings | None = None) -> dict[str, Any]:
        """Return the arguments of any body, converted as AutoGPT's validation would.

        Raises:
            CallError: As `decode`.
        """
        problems = Problems()
        content = _read(body)
        if limits is not None and isinstance(content, dict):
            # A JSON-valued parameter may be a list of any length: it isn't looked into.
            check_items({name: content.get(name) for name in self._lists}, limits)
        arguments = self._converted(content, problems)
        problems.raise_any()
        self._refuse_others(content)
        return arguments

    def _refuse_others(self, content: dict[str, Any]) -> None:
        """Refuse arguments that we don't have, but for values that ask for nothing."""
        names = tuple(
            name
            for name, value in content.items()
            if name not in self._names and not is_same(value, self._harmless.get(name))
        )
        if names:
            raise not_honoured(names, content, "This service doesn't know this argument")

    def _converted(self, content: Any, problems: Problems) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if content is None:
            problems.add("missing", ("body",), "Field required", None)
            return arguments
        if not isinstance(content, dict):
            _add_other_type(problems, content)
            return arguments
        for each in self._parameters:
            location = ("body", each.name)
            if each.name in content:
                value = each.shape.convert(content[each.name], location, problems)
                if value is not INVALID:
                    arguments[each.name] = value
            elif each.required:
                problems.add("missing", location, "Field required", content)
            else:
                arguments[each.name] = each.default
        return arguments


def is_same(value: Any, default: Any) -> bool:
    """Tell whether a value is a default: `false` is no 0, and neither is null."""
    return type(value) is type(default) and bool(value == default)


def not_honoured(
    names: tuple[str, ...], content: Mapping[str, Any], reason: str
) -> ArgumentsNotHonouredError:
    """Return the failure of a call with arguments that cannot be honoured.

    Args:
        names: The arguments.
        content: All of the call's.
        reason: Why not, for the caller.

    Raises:
        InvalidValueError: A value holds a number that its error could not repeat.
    """
    problems = Problems()
    message = (
        f"{reason}, and its value asks for something. Leave it out, or see to it that the service "
        "may pass calls on (api.fallback_url)"
    )
    try:
        for name in names:
            problems.add("extra_forbidden", ("body", name), message, content[name])
        problems.raise_any()
    except ArgumentsInvalidError as error:
        return ArgumentsNotHonouredError(names, error.detail)
    raise AssertionError("a noted problem was not raised")


def body_of_another_type(body: bytes) -> ArgumentsInvalidError:
    """Return the failure of a body that another content type says is no JSON."""
    problems = Problems()
    if body:
        _add_other_type(problems, body.decode(errors="replace"))
    else:
        problems.add("missing", ("body",), "Field required", None)
    try:
        problems.raise_any()
    except ArgumentsInvalidError as error:
        return error
    raise AssertionError("a noted problem was not raised")


def _add_other_type(problems: Problems, content: Any) -> None:
    problems.add(
        "model_attributes_type",
        ("body",),
        "Input should be a valid dictionary or object to extract fields from",
        content,
    )


def _read(body: bytes) -> Any:
    """Return what the body says, by Python's own reader: NaN and lone surrogates included."""
    if not body:
        return None
    try:
        return json.loads(body.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ArgumentsInvalidError(
            [
                {
                    "type": "json_invalid",
                    "loc": ["body", error.pos],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": error.msg},
                }
            ]
        ) from error
    except (ValueError, RecursionError) as error:  # not UTF-8; an integer of over 4,300 digits
        raise BodyUnreadableError from error

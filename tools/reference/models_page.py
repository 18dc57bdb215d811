"""The page on the models."""

from __future__ import annotations

import inspect
import json
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

from tools.reference import NOTICE, IncompleteError
from tools.reference.models import declared_models

from autogpt_db import models
from autogpt_db.models.marks import Content, Format, Secret
from autogpt_db.signatures.annotations import member_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
What [methods](methods.md) take and return, as plain JSON data. `GET /openapi.json` describes it to
programs, `autogpt_db.client.models` to Python's type checkers.

A member in *italics* isn't in every reply, because AutoGPT's later releases have brought it or have
dropped it; an argument may go without, and then what stands in brackets holds. More members may
come with later releases.

*Content* is what users have written, uploaded or been answered: [REST](rest.md) leaves it out
unless `admin.show_content` is on. What is *secret* opens something, and is never shown there."""


def models_page() -> Iterator[str]:
    """Yield the page's lines."""
    yield from ("# Models", "", NOTICE, "", *_INTRODUCTION.splitlines())
    for name in declared_models():
        model = getattr(models, name)
        if typing.is_typeddict(model):
            yield from ("", f"## {name}", "", _meaning(model), "", "| member | type |", "|---|---|")
            for member, hint in typing.get_type_hints(model, include_extras=True).items():
                yield f"| {_named(member, hint)} | {_shown(member_of(hint)[0])} |"


def _meaning(model: Any) -> str:
    text = inspect.getdoc(model)
    if not text:
        raise IncompleteError(f"The model {model.__name__} needs a docstring: what it is.")
    return text


def _named(member: str, hint: Any) -> str:
    if typing.get_origin(hint) is not NotRequired:
        return f"`{member}`"
    _, default = member_of(hint)
    if default is None:
        return f"*`{member}`*"
    return f"*`{member}`* ({'made' if default.make else json.dumps(default.value)})"


def _shown(annotation: Any) -> str:
    """Return a type as the page shows it."""
    if typing.is_typeddict(annotation):
        name = annotation.__name__
        return f"[{name}](#{name.lower()})"
    words = {str: "text", int: "integer", float: "number", bool: "boolean", Any: "anything"}
    words[types.NoneType] = "null"
    return words.get(annotation) or _composed(
        typing.get_origin(annotation), typing.get_args(annotation)
    )


def _marked(mark: Any) -> str:
    match mark:
        case Format(name):
            return f" ({name})"
        case Content():
            return ", content"
        case Secret():
            return ", secret"
    return ""


def _composed(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is Annotated:
        return _shown(arguments[0]) + "".join(map(_marked, arguments[1:]))
    if origin is Literal:
        return ", ".join(f"`{label}`" for label in arguments)
    if origin is list:
        return f"list of {_shown(arguments[0])}"
    if origin is dict:
        return "object" if arguments[1] is Any else f"object of {_shown(arguments[1])}"
    return " or ".join(_shown(each) for each in arguments)

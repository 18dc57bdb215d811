"""A method as `autogpt-db call METHOD --help` shows it, from its declaration alone."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.near import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autogpt_db.operations import Operation, Parameter

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "JSON list",
    "object": "JSON object",
    "null": "null",
}
_PLACEHOLDERS = {"text": "TEXT", "whole number": "NUMBER", "number": "NUMBER", "moment": "MOMENT"}
_ANY = "any JSON"


def describe_method(operation: Operation) -> str:
    """Return a method's help: how it is called, what it does, its parameters, result and errors.

    Args:
        operation: The method.
    """
    from autogpt_db.signatures.docstring import first_sentence, read_docstring

    read = read_docstring(operation.description)
    formatter = click.HelpFormatter()
    formatter.write_usage("autogpt-db call", _usage(operation))
    for paragraph in (*read.paragraphs, " ".join(_effects(operation))):
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(paragraph)
    if operation.parameters:
        with formatter.section("Parameters"):
            formatter.write_dl(
                [
                    (
                        parameter.name,
                        _described(
                            parameter, first_sentence(read.arguments.get(parameter.name, ""))
                        ),
                    )
                    for parameter in operation.parameters
                ]
            )
    if read.returns:
        with formatter.section("Prints"):
            formatter.write_text(read.returns)
    if read.errors:
        with formatter.section("Errors"):
            formatter.write_dl(list(read.errors.items()))
    return formatter.getvalue().rstrip("\n")


def unknown_method(name: str) -> str:
    """Return what to tell somebody who asks for a method that isn't served here.

    Args:
        name: Its name.
    """
    from autogpt_db.database.releases import first_release_of
    from autogpt_db.operations import served_operations

    release = first_release_of(name)
    if release is not None:
        return (
            f"{name} is AutoGPT's, since v{release}, and not served here: where api.fallback_url "
            "names AutoGPT's own service, its calls are passed on."
        )
    hint = did_you_mean(name, served_operations(), otherwise="`autogpt-db methods` lists them.")
    return f"There is no method {name}. {hint}"


def type_words(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema in words.

    Args:
        schema: A parameter's.
    """
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_words(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = str(schema.get("type", ""))
    if schema.get("format") == "date-time":
        return "moment"
    if schema.get("format") == "date":
        return "date"
    if kind == "array" and (items := schema.get("items")):
        return f"JSON list of {type_words(items)}"
    return _WORDS.get(kind, _ANY)


def choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values that a parameter can have, where they can be counted; else nothing.

    Args:
        schema: The parameter's.
    """
    if "anyOf" in schema:
        inner = [choices(each) for each in schema["anyOf"] if each.get("type") != "null"]
        return inner[0] if len(inner) == 1 else ()
    if schema.get("type") == "boolean":
        return ("true", "false")
    return tuple(map(str, schema.get("enum", ())))


def _usage(operation: Operation) -> str:
    words = [operation.name]
    words += [
        f"{each.name}={_placeholder(each.schema)}" for each in operation.parameters if each.required
    ]
    if not all(each.required for each in operation.parameters):
        words.append("[KEY=VALUE]...")
    return " ".join(words)


def _placeholder(schema: Mapping[str, Any]) -> str:
    words = type_words(schema)
    if words.startswith("one of"):
        return "NAME"
    return "true|false" if choices(schema) else _PLACEHOLDERS.get(words, "JSON")


def _described(parameter: Parameter, meaning: str) -> str:
    default = "" if parameter.required else f", default {_default(parameter.default)}"
    bound = f" At most `limits.{parameter.limit}`." if parameter.limit else ""
    return f"{type_words(parameter.schema)}{default}. {meaning}{bound}"


def _default(value: Any) -> str:
    plain = value.value if isinstance(value, Enum) else value
    return plain if isinstance(plain, str) and plain else json.dumps(plain, default=str)


def _effects(operation: Operation) -> Iterator[str]:
    for verb, written in (("Writes", True), ("Reads", False)):
        names = [table.name for table in operation.tables if table.written is written]
        if names:
            yield f"{verb} {', '.join(names)}."
    if operation.repeat is not None:
        effect = operation.repeat.effect
        kind = "harmless" if operation.repeat.harmless else "not harmless (see --key)"
        yield f"A repeat is {kind}: {effect[:1].lower()}{effect[1:]}"

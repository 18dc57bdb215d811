"""The page on REST."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Annotated, Any

from tools.reference import NOTICE

from autogpt_db.rest import load_resources
from autogpt_db.rest.requests import CURSOR, query_parameters, takes_null, takes_several
from autogpt_db.rest.resources import paragraphs_of, type_of
from autogpt_db.signatures.docstring import read_docstring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.operations import Operation, Resource
    from autogpt_db.operations import Parameter as OperationParameter

_INTRODUCTION = """\
For operators, and for programs that are not AutoGPT: `GET /v1/…` of the admin listener
(`admin.enabled`, 127.0.0.1:8905). It only reads. [How to](../howto/read-over-http.md) shows it with
curl.

- **Who.** `Authorization: Bearer` with what `autogpt-db admin token` prints, which reads and does
  nothing else; or a browser's session. Without either the answer is 401.
- **What.** A JSON document, or a list of them. What [models](models.md) mark as users' content
  (inputs, outputs, names, addresses, messages of errors) is left out unless `admin.show_content` is
  on. What opens something (keys, tokens, links that share) is shown to nobody.
- **Pages.** A list with a `cursor` comes in pages of `limit` documents, 50 where nobody says, and
  `limits.page_size` at most. The `Link` header has the next page (`rel="next"`) where there is one;
  it is relative to the list's own address (`<?cursor=…>`), so that it leads on behind a proxy, too.
  A page begins where the last one has ended, by an index: what is added or
  deleted meanwhile moves nothing.
- **Again.** Each document has an `ETag`; with it in `If-None-Match` the answer is 304 while nothing
  has changed. `HEAD` is `GET` without the document.
- **What is wrong** is `application/problem+json` (RFC 9457): 400 names each parameter in `errors`;
  404: there is no such thing, or the database's release of AutoGPT has no table for it; 405 for all
  that is no `GET` or `HEAD`, or 403 where the token only reads; 503 with `Retry-After` while the
  database cannot answer, or not within five seconds.
- **For programs:** `GET /v1/openapi.json` is all of this as OpenAPI 3.1."""


def rest_page() -> Iterator[str]:
    """Yield the page's lines."""
    yield from ("# REST", "", NOTICE, "", *_INTRODUCTION.splitlines())
    resources = load_resources()
    yield from ("", "| path | what |", "|---|---|")
    for path, operation in resources.items():
        yield f"| [`/v1{path}`](#{operation.name}) | {paragraphs_of(operation)[0]} |"
    for path, operation in resources.items():
        yield from _section(path, operation)


def _section(path: str, operation: Operation) -> Iterator[str]:
    resource = operation.rest
    assert resource is not None
    told = read_docstring(operation.description)
    yield from ("", f"## {operation.name}", "", f"`GET /v1{path}`", "")
    yield from "\n\n".join(paragraphs_of(operation)).splitlines()
    yield from ("", f"Returns {shown_type(type_of(operation))}.")
    parameters = list(_parameters(operation, resource))
    if parameters:
        yield from ("", "| parameter | meaning |", "|---|---|")
        for parameter in parameters:
            meaning = told.arguments.get(parameter.name, "")
            yield f"| `{parameter.name}`{_asked(parameter, resource)} | {meaning} |"
        if resource.pages_by:
            yield f"| `{CURSOR}` | Where the page begins, from the `Link` of the page before. |"


def _parameters(operation: Operation, resource: Resource) -> Iterator[OperationParameter]:
    by_name = {each.name: each for each in operation.parameters}
    yield from (by_name[name] for name in resource.placeholders)
    yield from query_parameters(operation)


def _asked(parameter: OperationParameter, resource: Resource) -> str:
    """Return what follows a parameter's name: whether it must come, or may come often."""
    if parameter.name in resource.placeholders:
        return ", in the path"
    if parameter.required and not takes_null(parameter):
        return ", needed"
    return ", any number of times" if takes_several(parameter) else ""


def shown_type(annotation: Any) -> str:
    """Return a type as the page shows it, with links to models."""
    if typing.is_typeddict(annotation):
        name = annotation.__name__
        return f"[{name}](models.md#{name.lower()})"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return shown_type(arguments[0])
    if origin is list:
        return f"a list of {shown_type(arguments[0])}"
    words = {str: "a text", int: "an integer", float: "a number", bool: "true or false"}
    parts = [each for each in arguments if each is not type(None)]
    return words[annotation] if not parts else " or ".join(map(shown_type, parts))

"""The registry: what it reads off a function, what it refuses, and how it finds operations."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest

from autogpt_db import models
from autogpt_db.database.pool import Pool
from autogpt_db.models.marks import Default, Format
from autogpt_db.operations import (
    BigInteger,
    Database,
    ExecutionStatus,
    JsonValue,
    Operation,
    RegistrationError,
    Reply,
    load_operations,
    operation,
)
from autogpt_db.settings import Settings
from autogpt_db.signatures.decorator import operation_of
from autogpt_db.signatures.replies import reply_schema
from autogpt_db.signatures.schemas import Schemas


@operation(reads=True)
async def find_things(
    database: Database,  # noqa: ARG001
    owner: str,
    status: ExecutionStatus | None = None,
    since: datetime | None = None,
    *,
    limit: BigInteger | None = None,
    filter: JsonValue | None = None,
) -> list[Any]:
    """Return an owner's things.

    Newest first.
    """
    return [owner, status, since, limit, filter]


@operation(reads=False)
async def answer(database: Database, with_: JsonValue) -> Reply[dict[str, float]]:  # noqa: ARG001
    """Answer with a finished document."""
    return with_.encode()


@operation(reads=False)
async def do_nothing(database: Database) -> None:
    """Do nothing."""


def of(function: Callable[..., Awaitable[Any]]) -> Operation:
    found = operation_of(function)
    assert found is not None
    return found


def test_everything_is_read_off_the_function() -> None:
    found = of(find_things)
    assert found.name == "find_things"
    assert found.reads
    assert not of(answer).reads
    assert found.subject == __name__.rpartition(".")[0].rpartition(".")[2]
    assert found.summary == "Return an owner's things."
    assert found.description == "Return an owner's things.\n\nNewest first."
    assert found.signature == (
        "(owner: str, status: ExecutionStatus | None = None, since: datetime | None = None, *, "
        "limit: BigInteger | None = None, filter: JsonValue | None = None) -> list[Any]"
    )
    assert [each.name for each in found.parameters if each.required] == ["owner"]
    assert found.text_parameters == {"owner", "status", "since"}


def test_what_it_returns_has_a_schema() -> None:
    assert reply_schema(find_things, Schemas()) == {"type": "array", "items": {}}
    assert reply_schema(do_nothing, Schemas()) == {"type": "null"}
    found = reply_schema(answer, Schemas())
    assert found == {"type": "object", "additionalProperties": {"type": "number"}}
    assert of(answer).signature == "(with_: JsonValue) -> dict[str, float]"


class Tree(TypedDict):
    """A tree."""

    name: Annotated[str, Format("date-time")]
    kind: NotRequired[Annotated[Literal["a", "b"] | None, Default("a")]]
    below: list[Tree]


def test_a_model_is_described_once_though_it_holds_itself() -> None:
    schemas = Schemas()
    assert schemas.of(tuple[Tree, Any]) == {
        "type": "array",
        "prefixItems": [{"$ref": "#/components/schemas/Tree"}, {}],
        "minItems": 2,
        "maxItems": 2,
    }
    assert schemas.models == {
        "Tree": {
            "type": "object",
            "title": "Tree",
            "description": "A tree.",
            "properties": {
                "name": {"type": "string", "format": "date-time"},
                "kind": {
                    "anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}],
                    "default": "a",
                },
                "below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
            },
            "required": ["name", "below"],
        }
    }


async def gives_bytes_of_nothing(database: Database) -> Reply[set[str]]:
    """Return what JSON has no type for."""


async def gives_what_is_not_there(database: Database) -> Reply[models.NoSuchModel]:  # type: ignore[name-defined]
    """Return a model that nobody has declared."""


@pytest.mark.parametrize("function", [gives_bytes_of_nothing, gives_what_is_not_there])
def test_a_reply_that_cannot_be_described_says_what_to_do(function: Any) -> None:
    with pytest.raises(RegistrationError, match=r"-> Reply\[models.X\]") as refused:
        reply_schema(function, Schemas())
    assert function.__name__ in str(refused.value)


def test_its_request_has_a_schema() -> None:
    schema = of(find_things).request_schema()
    assert schema["required"] == ["owner"]
    assert schema["properties"]["owner"] == {"type": "string"}
    assert schema["properties"]["limit"]["anyOf"][0]["maximum"] == 2**63 - 1
    assert schema["properties"]["status"]["default"] is None
    msgspec.json.encode(schema)


def called(function: Callable[..., Awaitable[Any]], body: bytes) -> bytes:
    found = of(function)

    async def call() -> bytes:
        async with Pool.open(Settings(), size=1) as pool:
            return await found.call(pool.call(found.name, reads=True), found.decode(body))

    return asyncio.run(call())


def test_a_call_gives_the_replys_body() -> None:
    body = b'{"owner":"a","limit":2,"status":"QUEUED"}'
    assert called(find_things, body) == b'["a","QUEUED",null,2,null]'
    assert called(answer, b'{"with_": {"a" : 1.0}}') == b'{"a" : 1.0}'
    assert called(do_nothing, b"{}") == b"null"


def test_the_function_itself_stays_callable() -> None:
    assert find_things.__name__ == "find_things"
    assert isinstance(find_things, type(of))


async def without_docstring(database: Database) -> None:
    pass


def not_async(database: Database) -> None:
    """Do it at once."""


async def without_database(name: str) -> None:
    """Do it without a database."""


async def without_anything() -> None:
    """Do it with nothing."""


async def with_anything(database: Database, **rest: Any) -> None:
    """Take anything."""


async def with_strange_type(database: Database, strange: bytes) -> None:
    """Take what no request carries."""


async def without_reply(database: Database):  # type: ignore[no-untyped-def]
    """Return nobody knows what."""


async def with_any_document(database: Database) -> bytes | None:
    """Return a document that nobody describes."""


async def without_type(database: Database, untyped) -> None:  # type: ignore[no-untyped-def]
    """Take what nobody knows."""


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (without_docstring, "needs a docstring"),
        (not_async, "must be an `async def`"),
        (without_database, "database: Database"),
        (without_anything, "database: Database"),
        (with_anything, "named arguments only"),
        (with_strange_type, "no type that a request can carry"),
        (without_type, "whose type cannot be served"),
        (without_reply, "doesn't say what it returns"),
        (with_any_document, "doesn't say what it returns"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(function: Any, reason: str) -> None:
    with pytest.raises(RegistrationError, match=reason) as refused:
        operation(reads=True)(function)
    assert function.__name__ in str(refused.value)


# Discovery -----------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an importable package of operations."""
    folder = tmp_path / "extra_operations"
    (folder / "deeper").mkdir(parents=True)
    for each in (folder, folder / "deeper"):
        (each / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    # Without those of that name that other tests in this process have imported.
    kept = {name: each for name, each in sys.modules.items() if not name.startswith(folder.name)}
    monkeypatch.setattr(sys, "modules", kept)
    return folder


def write(path: Path, name: str, more: str = "") -> None:
    path.write_text(
        dedent(f"""
        from autogpt_db.operations import Database, operation
        {more}

        @operation(reads=True)
        async def {name}(database: Database, key: str) -> str:
            \"\"\"Return the key.\"\"\"
            return key
        """)
    )


def test_the_services_own_operations_are_found() -> None:
    found = load_operations()
    assert "cleanup_expired_oauth_tokens" in found
    assert list(found) == sorted(found)
    assert all(each.name == name for name, each in found.items())


def test_a_module_beside_them_is_found_too(package: Path) -> None:
    write(package / "one.py", "operation_one")
    write(package / "deeper" / "two.py", "operation_two", "from extra_operations.one import *")
    found = load_operations(["extra_operations"])
    assert {"operation_one", "operation_two", "cleanup_expired_oauth_tokens"} <= set(found)
    assert found["operation_two"].subject == "deeper"
    assert found["operation_two"].decode(b'{"key":"a"}') == {"key": "a"}
    assert "operation_one" not in load_operations()


def test_two_operations_of_one_name_are_refused(package: Path) -> None:
    write(package / "one.py", "the_same")
    write(package / "deeper" / "two.py", "the_same")
    with pytest.raises(RegistrationError, match="Two operations are called the_same") as refused:
        load_operations(["extra_operations"])
    assert "extra_operations.one" in str(refused.value)
    assert "extra_operations.deeper.two" in str(refused.value)


def test_a_module_that_cannot_be_imported_is_no_silence(package: Path) -> None:
    (package / "one.py").write_text("import no_such_module")
    with pytest.raises(ImportError, match="no_such_module"):
        load_operations(["extra_operations"])

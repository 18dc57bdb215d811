"""What an operation is: everything the service needs to know of one, read off its function."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.needs import Needs
from autogpt_db.database.pool.knowledge import is_about_schema, smells_of_migration
from autogpt_db.database.releases import arguments_of
from autogpt_db.errors import AutogptDbError, CallError, SchemaChangingError, SchemaUnreadError
from autogpt_db.signatures.arguments import ArgumentsDecoder, not_honoured
from autogpt_db.signatures.bounds import check_arguments, check_reply
from autogpt_db.signatures.declaration import (
    Parameter,
    RegistrationError,
    described,
    docstring_of,
    parameters_of,
    place_of,
    shapes_of,
)
from autogpt_db.signatures.replies import reply_text
from autogpt_db.signatures.tables import Table, needs_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from autogpt_db.database.pool import Database
    from autogpt_db.settings import LimitsSettings
    from autogpt_db.signatures.declaration import AnyFunction
    from autogpt_db.signatures.repeats import Repeat
    from autogpt_db.signatures.resources import Resource

_encode = msgspec.json.Encoder().encode
_NOTHING = inspect.Signature.empty


class Operation:
    """One method of the service.

    Attributes:
        function: What does the work.
        name: Its name on the wire: `POST /{name}`.
        reads: Whether it only reads, so that it may be repeated, cancelled, or sent to a replica.
        heavy: Whether it may read much; such calls share a part of the connections.
        at_once: Whether all it does is one merged statement, which can keep its reply, too.
        repeat: What a blind repeat does; None where it wasn't said, and for what only reads.
        spares: Tables that it does without where they are missing.
        labels: Enums and labels that its arguments name.
        rest: Where REST shows what it returns; None for nowhere.
        subject: The folder it stands in, as a heading: `executions`, `graphs` …
        summary: The first line of its docstring.
        description: The whole docstring.
        returns: The type of its result as written: models are `models.X`.
    """

    def __init__(
        self,
        function: AnyFunction,
        *,
        reads: bool,
        heavy: bool = False,
        at_once: bool = False,
        repeat: Repeat | None = None,
        spares: Collection[str] = (),
        honoured: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        rest: Resource | None = None,
    ) -> None:
        """Read everything off `function`.

        Raises:
            RegistrationError: Something in it cannot be served.
        """
        self.name = function.__name__
        self.reads = reads
        self.heavy = heavy
        self.at_once = at_once
        self.repeat = repeat
        self.spares = frozenset(spares)
        self.subject = function.__module__.rpartition(".")[0].rpartition(".")[2]
        self.function = function
        self.description = docstring_of(function)
        self.summary = self.description.partition("\n")[0]
        written = inspect.signature(function)
        arguments = parameters_of(function, written)
        self.returns = reply_text(function)
        self._written = written.replace(
            parameters=list(arguments.values()), return_annotation=_NOTHING
        )
        self._shapes = shapes_of(function, arguments)
        self._limits = {shape.name: shape.limit for shape in self._shapes if shape.limit}
        self.honoured = dict(honoured or {})
        self.labels = frozenset((labels or {}).items())
        self.rest = rest
        known = {shape.name for shape in self._shapes}
        if rest is not None:
            rest.check(place_of(function), known, reads=reads)
        for name, capability in self.honoured.items():
            if name not in known or not hasattr(Capabilities, capability):
                raise RegistrationError(
                    f"{place_of(function)} has no argument {name!r}, or no database has the "
                    f"capability {capability!r}."
                )

    def __repr__(self) -> str:
        return f"<Operation {self.name}{self.signature}>"

    # What only documentation asks for is put together when it does: a process that serves has
    # hundreds of methods, and starts the sooner.

    @cached_property
    def signature(self) -> str:
        """Return its parameters and result as written, without the database."""
        return f"{self._written} -> {self.returns.replace('models.', '')}".replace("'", "")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return its arguments, in order."""
        return described(self._shapes, self._written)

    @cached_property
    def _decoder(self) -> ArgumentsDecoder:
        known = {shape.name for shape in self._shapes}
        harmless = {
            name: default
            for name, (_, default) in arguments_of(self.name).items()
            if name not in known
        }
        return ArgumentsDecoder(self.name, self._shapes, harmless)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Return the tables that its statements name."""
        return tables_of(self.function)

    def needs(self, capabilities: Capabilities) -> Needs:
        """Return what its statements need of AutoGPT's schema.

        Args:
            capabilities: What the database has: another one's statements may be others.
        """
        needs = needs_of(self.function, capabilities).without(self.spares)
        return needs | Needs(labels=self.labels)

    def decode(self, body: bytes, limits: LimitsSettings | None = None) -> dict[str, Any]:
        """Return the call's arguments.

        Args:
            body: The request's body.
            limits: Bounds the items of lists before they are looked at.

        Raises:
            LimitExceededError: A list has too many items.
            ArgumentsInvalidError: It doesn't fit the signature.
            BodyUnreadableError: It is no JSON text at all.
            InvalidValueError: A value fits the signature but not PostgreSQL.
        """
        return self._decoder.decode(body, limits)

    def decode_fast(self, body: bytes, limits: LimitsSettings) -> dict[str, Any]:
        """Return the call's arguments if its body needs no conversion.

        Raises:
            Exception: It needs `decode`, to convert it or to say what is wrong.
        """
        return self._decoder.decode_fast(body, limits)

    def admit(
        self,
        arguments: dict[str, Any],
        capabilities: Capabilities | None,
        *,
        migrating: bool = False,
    ) -> None:
        """Refuse arguments that the database at hand has nothing for.

        Args:
            arguments: What `decode` returned.
            capabilities: What the database has; None: nobody knows yet.
            migrating: Whether AutoGPT's migrations are under way, and may bring it.

        Raises:
            ArgumentsNotHonouredError: One of them has another value than none.
            SchemaChangingError: The same, while AutoGPT migrates.
            SchemaUnreadError: The same, and nobody knows yet what the database has.
        """
        asked = tuple(name for name in self.honoured if arguments[name])
        if not asked:
            return
        if capabilities is None:
            raise SchemaUnreadError
        names = tuple(name for name in asked if not getattr(capabilities, self.honoured[name]))
        if names and migrating:
            raise SchemaChangingError(self.name)
        if names:
            raise not_honoured(names, arguments, "This database has no place for this argument")

    def check(self, arguments: dict[str, Any], limits: LimitsSettings) -> None:
        """Refuse what is larger than the settings allow.

        Args:
            arguments: What `decode` returned.
            limits: The bounds.

        Raises:
            LimitExceededError: An argument is.
        """
        check_arguments(arguments, self._limits, limits)

    @property
    def text_parameters(self) -> frozenset[str]:
        """Return the parameters whose JSON is always a string or null: no quotes are needed."""
        return frozenset(
            parameter.name
            for parameter in self.parameters
            if {kind.get("type") for kind in parameter.schema.get("anyOf", [parameter.schema])}
            <= {"string", "null"}
        )

    async def call(self, database: Database, arguments: dict[str, Any]) -> bytes:
        """Run the operation and return the reply's body.

        Args:
            database: A handle for this call.
            arguments: What `decode` returned.

        Raises:
            LimitExceededError: An argument is larger than the settings allow.
            ResultTooLargeError: The reply of a read is.
            CallError: The operation's own failures.
        """
        limits = database.settings.limits
        self.check(arguments, limits)
        version = database.knowledge.version
        try:
            result = await self.function(database, **arguments)
        except (CallError, psycopg.Error) as error:
            if not smells_of_migration(error):
                raise
            result = await self._once_more(database, arguments, version, error)
        reply = result if type(result) is bytes else _encode(result)  # bytes: a finished document
        return check_reply(reply, limits) if self.reads else reply

    async def _once_more(
        self,
        database: Database,
        arguments: dict[str, Any],
        version: int,
        error: CallError | psycopg.Error,
    ) -> Any:
        """Do a call again whose failure smells of a migration, if there is one.

        Args:
            database: The call's handle.
            arguments: Its arguments.
            version: Of what was known of the schema when it began.
            error: The failure.

        Raises:
            SchemaChangingError: The schema is being changed, and a client's repeat will do.
            CallError, psycopg.Error: The failure, which comes from no migration.
        """
        knowledge = database.knowledge
        if knowledge.version == version:
            try:
                await database.knowledge.look()
            except (AutogptDbError, TimeoutError):
                raise SchemaChangingError(self.name) from error
        if knowledge.version == version and not knowledge.migrating:
            raise error
        again = self.reads or (self.repeat is not None and self.repeat.harmless)
        if again or database.statements <= 1:  # else it has written something already
            try:
                return await self.function(database, **arguments)
            except (CallError, psycopg.Error) as another:
                if not is_about_schema(another):
                    raise
                raise SchemaChangingError(self.name) from another
        raise SchemaChangingError(self.name) from error

    def request_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the request's body."""
        return {
            "type": "object",
            "properties": {
                parameter.name: parameter.schema
                if parameter.required
                else {**parameter.schema, "default": parameter.default}
                for parameter in self.parameters
            },
            "required": [parameter.name for parameter in self.parameters if parameter.required],
        }

"""`autogpt-db admin`: the way into the admin listener's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say
from autogpt_db.cli.runtime import runtime_of

if TYPE_CHECKING:
    from pathlib import Path

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.settings import Settings

_TIMEOUT = 10.0
_LOOK = 0.1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def admin() -> None:
    """Open the admin listener's page, or let a script read from it (admin.enabled)."""


@admin.command("open")
@click.pass_obj
def open_(sources: Loads) -> None:
    """Print a link to the page that works once, within five minutes.

    On another machine, forward the port first, and print the link here: ssh -L 8905:127.0.0.1:8905.
    """
    with friendly():
        from autogpt_db.cli.connecting import admin_address

        settings = _enabled(sources.load().settings)
        _refuse_another(runtime_of(sources))
        address = admin_address(settings)
        say(f"{_called(address)}/login#{_ticket(settings, address)}")


@admin.command()
@click.pass_obj
def token(sources: Loads) -> None:
    """Print the token that scripts read with: Authorization: Bearer TOKEN."""
    from autogpt_db.admin.tokens import READ_TOKEN

    with friendly():
        say(_token(_enabled(sources.load().settings), READ_TOKEN))


def _enabled(settings: Settings) -> Settings:
    from autogpt_db.errors import ConfigurationError

    if not settings.admin.enabled:
        raise ConfigurationError(
            "There is no admin listener: set admin.enabled = true, and reload the service "
            "(autogpt-db ctl reload)."
        )
    return settings


def _refuse_another(runtime: Path) -> None:
    """See that the listener runs, before a token is sent: who has taken its port gets none.

    One that starts, after a reload say, is waited for.

    Raises:
        DatabaseUnreachableError: It doesn't run.
    """
    import time

    from autogpt_db.errors import DatabaseUnreachableError
    from autogpt_db.supervision.status import read_status

    def look() -> list[str]:
        tree = read_status(runtime)
        return [each["state"] for each in tree["processes"] if each["name"] == "admin"]

    until = time.monotonic() + _TIMEOUT
    while (states := look()) == ["STARTING"] and time.monotonic() < until:
        time.sleep(_LOOK)
    if states != ["RUNNING"]:
        raise DatabaseUnreachableError(
            f"The admin listener does not run ({', '.join(states) or 'there is none yet'}). Look "
            "why: autogpt-db status; or let the service read its settings: autogpt-db ctl reload"
        )


def _token(settings: Settings, name: str) -> str:
    """Return one of the two tokens.

    Raises:
        ConfigurationError: It cannot be read, or the daemon that runs is another account's.
    """
    from autogpt_db.admin.tokens import DIRECTORY, read_token
    from autogpt_db.cli.runtime import runs_elsewhere
    from autogpt_db.errors import ConfigurationError
    from autogpt_db.settings.paths import is_there

    path = settings.paths.state / DIRECTORY / name
    if not is_there(path) and runs_elsewhere(settings.paths.runtime):
        raise ConfigurationError(
            "The service on this machine runs under another account, which alone may read the "
            "admin listener's tokens. Run this as root (sudo), or as that account."
        )
    return read_token(path)


def _called(address: str) -> str:
    """Return what a browser on this machine calls an address."""
    if address.startswith("unix:"):
        return "http://localhost"  # through whatever proxy leads to the socket
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _ticket(settings: Settings, address: str) -> str:
    import http.client
    import json

    from autogpt_db.admin.tokens import TOKEN
    from autogpt_db.cli.connecting import http_connection
    from autogpt_db.errors import DatabaseUnreachableError

    secret = _token(settings, TOKEN)
    connection = http_connection(address, timeout=_TIMEOUT)
    try:
        headers = {"Authorization": f"Bearer {secret}", "Content-Length": "0"}
        connection.request("POST", "/tickets", headers=headers)
        answer = connection.getresponse()
        content = answer.read(65_536)
    except (OSError, http.client.HTTPException) as error:
        raise DatabaseUnreachableError(
            f"The admin listener does not answer at {address} ({error}). Look whether it runs: "
            "autogpt-db status"
        ) from None
    finally:
        connection.close()
    if answer.status != 201:  # noqa: PLR2004 - Created
        raise DatabaseUnreachableError(
            f"What listens at {address} has answered {answer.status}: it is not this service's "
            "admin listener, or it runs with other settings. Look at: autogpt-db status"
        )
    return str(json.loads(content)["ticket"])

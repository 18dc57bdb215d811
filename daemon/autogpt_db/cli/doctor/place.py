"""Where does the running service listen, on which database, and what would the files have it do?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from autogpt_db.cli.doctor.findings import Finding
from autogpt_db.errors import AutogptDbError
from autogpt_db.listening import serves
from autogpt_db.settings import Settings
from autogpt_db.settings.paths import is_there
from autogpt_db.settings.sources import SYSTEM_CREDENTIALS
from autogpt_db.supervision.unit import SOCKET, unit_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation

_RESTART = (
    "systemctl daemon-reload; systemctl stop autogpt-db.socket autogpt-db.service; "
    "systemctl start autogpt-db"
)


def listening(situation: Situation) -> Iterator[Finding]:
    """Compare where it listens with what socket unit and settings say."""
    tree = situation.tree
    if tree is None:
        return
    found = sorted(tree["address"])
    api, usual = situation.settings.api, Settings().api
    as_told = any(serves(one, api.host, api.port) for one in found)
    if not tree.get("inherited"):
        if not as_told and not situation.problems:
            text = f"{', '.join(found)}; the settings would have it listen at {api.host}:{api.port}"
            yield Finding("warn", "listening", text, "Restart the service.")
        else:
            yield Finding("ok", "listening", f"{', '.join(found)}, opened by itself")
        return
    wanted = sorted(_address(one) for one in unit_settings("ListenStream", "Socket", unit=SOCKET))
    if wanted and wanted != found:
        text = f"{', '.join(found)}; {SOCKET} would have it listen at {', '.join(wanted)}"
        yield Finding("warn", "listening", text, _RESTART)
    else:
        yield Finding("ok", "listening", f"{', '.join(found)}, as {SOCKET} says")
    if not as_told and (api.host, api.port) != (usual.host, usual.port):
        text = f"api.host and api.port ({api.host}:{api.port}) have no effect: systemd listens"
        remedy = f"Unset them, or: systemctl edit {SOCKET}, and ListenStream=."
        yield Finding("warn", "listening", text, remedy)


def database_in_use(situation: Situation) -> Iterator[Finding]:
    """Compare the database that it uses with the one that settings and credentials name."""
    tree = situation.tree
    in_use = tree.get("database") if tree is not None else None
    seen = not is_there(SYSTEM_CREDENTIALS) or os.access(SYSTEM_CREDENTIALS, os.R_OK | os.X_OK)
    if not in_use or situation.problems or not seen:
        return
    from autogpt_db.database.url import database_url

    try:
        named = database_url(situation.settings).address
    except AutogptDbError:
        return  # told as what it is elsewhere
    if named == in_use:
        yield Finding("ok", "database in use", in_use)
    else:
        text = f"{in_use}; the settings would have it use {named}"
        yield Finding("warn", "database in use", text, "systemctl restart autogpt-db")


def _address(listen: str) -> str:
    """Return a ListenStream= as the service itself would write the address."""
    if listen.startswith("/"):
        return f"unix:{listen}"
    return f"http://[::]:{listen}" if listen.isdecimal() else f"http://{listen}"

"""Is the admin listener where the settings say, and are its tokens nobody else's?"""

from __future__ import annotations

import pwd
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.cli.connecting import admin_address
from autogpt_db.cli.doctor.findings import Finding
from autogpt_db.cli.doctor.service import ask
from autogpt_db.errors import ConfigurationError, ResourceTakenError
from autogpt_db.listening import holder_of, open_listeners
from autogpt_db.settings.contradictions import is_loopback
from autogpt_db.supervision.sandbox import lets_others_in
from autogpt_db.supervision.unit import systemctl_show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation
    from autogpt_db.settings import Settings

_CHECK = "admin listener"
_FIRST_FOR_ALL = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def admin_listener(situation: Situation) -> Iterator[Finding]:
    """Ask the admin listener whether it lives; without one, look whether its port can be had."""
    settings = situation.settings
    admin = settings.admin
    if not admin.enabled:
        return
    yield from _tokens(settings)
    if not is_loopback(admin.host):
        yield _reach(f"{admin.host}:{admin.port}")
    tree = situation.tree
    if tree is None:
        yield from _place(settings)
    elif not any(process["name"] == "admin" for process in tree["processes"]):
        text = "it is on in the settings, and the running service has none"
        yield Finding("warn", _CHECK, text, "autogpt-db ctl reload")
    else:
        address = admin_address(settings)
        reason = ask(address, None, path="/healthz")
        if reason is None:
            yield Finding("ok", _CHECK, f"{address} answers")
        else:
            remedy = "journalctl -u autogpt-db AUTOGPT_DB_PROCESS=admin -e"
            yield Finding("fail", _CHECK, f"{address} does not answer: {reason}", remedy)


def _reach(where: str) -> Finding:
    """Say who reaches an address that is not this machine's alone."""
    if lets_others_in():
        text = f"{where} may be reached from other machines, as plain HTTP"
        return Finding("warn", _CHECK, text, "Let a proxy with TLS stand before it, or use ssh.")
    return Finding(
        "warn",
        _CHECK,
        f"{where}: the sandbox of autogpt-db.service lets in this machine alone (IPAddressDeny=)",
        "Allow who is to reach it: systemctl edit autogpt-db, and below [Service] "
        "IPAddressAllow=192.0.2.10, say; then: systemctl restart autogpt-db. Or use ssh.",
    )


def _place(settings: Settings) -> Iterator[Finding]:
    admin = settings.admin
    where = f"{admin.host}:{admin.port}"
    account = systemctl_show("User").get("User")
    first = _first_for_all()
    if account and account != "root" and admin.port < first:
        text = f"{where}: the service runs as {account}, which has ports from {first} on"
        yield Finding("fail", _CHECK, text, "Choose another admin.port.")
        return
    try:
        for listener in open_listeners(admin.host, admin.port, listen=False, section="admin"):
            listener.close()
    except ResourceTakenError:
        text = f"{where} is taken by {holder_of(admin.port)}, not by the service"
        yield Finding("fail", _CHECK, text, "Stop that, or choose another admin.port.")
    except ConfigurationError as error:
        yield Finding("fail", _CHECK, str(error).rstrip("."))
    else:
        yield Finding("ok", _CHECK, f"{where} is free")


def _tokens(settings: Settings) -> Iterator[Finding]:
    """Look at the files of tokens, as far as they are to be seen: they are made at a start."""
    from autogpt_db.admin.tokens import DIRECTORY, READ_TOKEN, TOKEN, read_token

    for name in (TOKEN, READ_TOKEN):
        path = settings.paths.state / DIRECTORY / name
        with suppress(OSError):
            owner, wanted = path.stat().st_uid, settings.paths.state.stat().st_uid
            if owner != wanted:
                text = f"{path} belongs to {_name(owner)}, and its directory to {_name(wanted)}"
                yield Finding("fail", _CHECK, text, f"chown {_name(wanted)}: {path}")
            with path.open("rb"):
                pass  # as root, or as the account of the service
            try:
                read_token(path)
            except ConfigurationError as error:
                text, _, remedy = str(error).partition(". ")
                yield Finding("fail", _CHECK, text, remedy)


def _first_for_all() -> int:
    try:
        return int(_FIRST_FOR_ALL.read_text("ascii"))
    except (OSError, ValueError):
        return 1024


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)

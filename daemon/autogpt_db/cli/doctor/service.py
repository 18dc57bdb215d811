"""Is it configured, installed, running and answering?"""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.cli.connecting import http_connection
from autogpt_db.cli.doctor.findings import Finding
from autogpt_db.cli.runtime import SYSTEM_RUNTIME
from autogpt_db.errors import ConfigurationError, ResourceTakenError
from autogpt_db.supervision.unit import SOCKET, UNIT, awaits_daemon_reload, systemctl_show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation

_SECONDS = 5.0
_OK = 200


def configuration(situation: Situation) -> Iterator[Finding]:
    """Look whether the settings are valid."""
    loaded = situation.loaded
    for problem in situation.problems:
        yield Finding("fail", "configuration", problem.rstrip("."), "Correct it.")
    for notice in loaded.notices:
        yield Finding("warn", "configuration", notice.rstrip("."))
    if not situation.problems and not loaded.notices:
        count = len(loaded.origins)
        yield Finding("ok", "configuration", f"valid; {count} options are not at their default")


def unit(_situation: Situation) -> Iterator[Finding]:
    """Look what systemd says of the unit."""
    shown = systemctl_show(
        "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "ExecMainStatus"
    )
    if not shown:
        yield Finding("ok", "unit", "systemd does not run here")
        return
    if shown["LoadState"] != "loaded":
        yield Finding(
            "warn",
            "unit",
            f"{UNIT} is {shown['LoadState']}",
            "`make install` or the .deb brings it; without it, nobody restarts the service.",
        )
        return
    state = f"{UNIT} is {shown['ActiveState']} ({shown['SubState']})"
    if shown["ActiveState"] == "failed":
        yield Finding(
            "fail",
            "unit",
            f"{state}: {shown['Result']}, exit code {shown['ExecMainStatus']}",
            "journalctl -u autogpt-db -x says why; then: systemctl start autogpt-db.",
        )
    elif shown["ActiveState"] == "inactive":
        yield Finding("warn", "unit", state, "systemctl start autogpt-db")
    else:
        yield Finding("ok", "unit", state)
    for name in (UNIT, SOCKET):
        if awaits_daemon_reload(name):
            text = f"the files of {name} have changed"
            remedy = "systemctl daemon-reload, then restart what they are about."
            yield Finding("warn", "unit", text, remedy)
    if shown["UnitFileState"] in {"disabled", "masked"}:
        text = f"{UNIT} is {shown['UnitFileState']}: it is not started at boot"
        yield Finding("warn", "unit", text, "systemctl enable autogpt-db")


def processes(situation: Situation) -> Iterator[Finding]:
    """Look at the running tree."""
    tree = situation.tree
    if tree is None:
        yield Finding("warn", "service", situation.service_problem.rstrip("."))
        return
    words, _, trouble = tree["words"].partition("; ")
    for part in trouble.split("; ") if trouble else ():
        yield Finding("warn", "service", part, _remedy(part))
    for process in tree["processes"]:
        # A service of an earlier version does not say whether one is failing.
        if process["state"] in {"BACKOFF", "FATAL"} or process.get("failing"):
            name, end = process["name"], process["last_exit"] or "it could not be started"
            remedy = f"journalctl -u autogpt-db AUTOGPT_DB_PROCESS={name} -e"
            yield Finding("fail", "service", f"{name} keeps failing: {end}", remedy)
    yield Finding("ok", "service", f"pid {tree['pid']}, version {tree['version']}, {words}")


def _remedy(trouble: str) -> str:
    """Return what to do about a part of the service's STATUS."""
    from autogpt_db.database.sqlstates import CAUSES

    found = next((cause.remedy for cause in CAUSES if cause.matter == trouble), "")
    return found or "The log says more: journalctl -u autogpt-db -e."


def addresses(situation: Situation) -> Iterator[Finding]:
    """Ask the service at each of its addresses; without one, look whether its port is free."""
    api = situation.settings.api
    if situation.tree is None:
        from autogpt_db.listening import holder_of, open_listeners

        if Path("/run/systemd/system").is_dir() and SYSTEM_RUNTIME.exists():
            return  # systemd's socket holds it
        try:
            for listener in open_listeners(api.host, api.port):
                listener.close()
        except ResourceTakenError:
            text = f"{api.host}:{api.port} is taken by {holder_of(api.port)}, not by the service"
            yield Finding("fail", "address", text, "Stop that, or choose another api.port.")
        except ConfigurationError as error:
            yield Finding("fail", "address", str(error).rstrip("."))
        else:
            yield Finding("ok", "address", f"{api.host}:{api.port} is free")
        return
    token = api.token.reveal() if api.token is not None else None
    for address in situation.tree["address"]:
        reason = ask(address, token)
        if reason is None:
            yield Finding("ok", "address", f"{address} answers")
        else:
            remedy = "Look at `autogpt-db status`; journalctl -u autogpt-db -e"
            yield Finding("fail", "address", f"{address} does not answer: {reason}", remedy)


def ask(address: str, token: str | None, *, path: str = "/health_check") -> str | None:
    """Return why nobody answers a health check at `address`, or None.

    Args:
        address: As `http_connection` takes it.
        token: What the answer needs; None where it needs none.
        path: Of the check.
    """
    connection = http_connection(address, timeout=_SECONDS)
    try:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        content = response.read(1000)
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    if response.status == _OK:
        return None
    return f"status {response.status}, {content.decode('utf-8', 'replace').strip()}"


def start(situation: Situation) -> Iterator[Finding]:
    """Look whether the service would start, as itself: its account and sandbox see other things.

    Not where it is known already why it wouldn't.
    """
    from autogpt_db.cli.as_service import check_as_service

    checked = None if situation.failed or situation.given else check_as_service()
    if checked is None:
        return
    if checked.code == 0:
        yield Finding("ok", "start", f"{checked.how}: it would start")
        return
    for problem in checked.problems:
        text = problem.removeprefix("autogpt-db: ").rstrip(".")
        yield Finding("fail", "start", text, f"({checked.how}.)")


def programs(situation: Situation) -> Iterator[Finding]:
    """Look at the files of programs.d."""
    from autogpt_db.supervision.program_files import inspect_programs

    found = inspect_programs(situation.settings)
    for path, fault in found.faults.items():
        remedy = "Correct it, then: systemctl reload autogpt-db."
        yield Finding("warn", "programs", f"{path} is left out: {fault}".rstrip("."), remedy)
    names = [group.name for groups in found.groups.values() for group in groups]
    if names:
        yield Finding("ok", "programs", ", ".join(names))

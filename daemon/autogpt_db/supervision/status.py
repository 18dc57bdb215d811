"""Ask a running daemon for its tree, from any shell of its owner."""

from __future__ import annotations

import json
import xmlrpc.client
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.supervision.configuration import CONTROL_SOCKET
from autogpt_db.supervision.unit import not_answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COLUMNS = ("process", "state", "pid", "uptime", "restarts", "pool", "last exit")


def read_status(runtime: Path) -> dict[str, Any]:
    """Return what `control.ControlInterface.status` says.

    Args:
        runtime: The daemon's runtime directory.

    Raises:
        DatabaseUnreachableError: No daemon answers there.
    """
    with connected(runtime) as daemon:
        tree: dict[str, Any] = json.loads(str(daemon.autogpt_db.status()))
    return tree


@contextmanager
def connected(runtime: Path) -> Iterator[xmlrpc.client.ServerProxy]:
    """Yield the XML-RPC interface of the daemon whose runtime directory this is.

    Raises:
        DatabaseUnreachableError: No daemon answers there, or not to this user.
    """
    transport = SupervisorTransport(None, None, f"unix://{runtime / CONTROL_SOCKET}")
    try:
        yield xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != Faults.SHUTDOWN_STATE:
            raise
        raise DatabaseUnreachableError(
            "The daemon is stopping. Try again when it is back."
        ) from None
    except PermissionError:
        raise DatabaseUnreachableError(
            f"{runtime / CONTROL_SOCKET} belongs to another user. Run this as root (sudo), or as "
            "the user that the daemon runs under."
        ) from None
    except (OSError, xmlrpc.client.Error) as error:
        raise DatabaseUnreachableError(
            not_answering(str(runtime / CONTROL_SOCKET), error)
        ) from None
    finally:
        transport.close()


def format_status(tree: dict[str, Any], *, as_json: bool) -> str:
    """Return the tree for people, or as indented JSON.

    Args:
        tree: What `read_status` returned.
        as_json: For machines.
    """
    if as_json:
        return json.dumps(tree, indent=2)
    rows = [_COLUMNS, *(_row(process) for process in tree["processes"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [f"autogpt-db {tree['version']}, pid {tree['pid']}: {tree['words']}"]
    lines += [f"listening on {address}" for address in tree["address"]]
    lines += _schema(tree.get("schema"))
    lines.append("")
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _schema(found: dict[str, Any] | None) -> Iterator[str]:
    if not found:
        return
    release = found["release"]
    words = f"AutoGPT's schema looks like {release}" if release else "AutoGPT's schema"
    yield f"{words}: {found['methods']} methods are served"
    if found["not_served"]:
        more = found["not_served"] - len(found["lacking"])
        names = ", ".join(found["lacking"]) + (f" and {more} more" if more else "")
        yield f"not served, for the database lacks what they need (see doctor): {names}"


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    pool = process["pool"]
    figures = "-"
    if pool:
        figures = f"{pool['in_use']}/{pool['size']} in use, {pool['waiting']} waiting"
        if pool.get("stray"):
            figures += f", {pool['stray']} astray"
        if pool["longest_holder"]:
            figures += f", {pool['longest_holder']} for {pool['longest_holder_seconds']:.1f} s"
    return (
        process["name"],
        process["state"],
        str(process["pid"] or "-"),
        _duration(process["uptime_seconds"]),
        str(process["restarts"]),
        figures,
        process["last_exit"] or "-",
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (
        f"{days}d {hours:02}:{minutes:02}:{rest:02}"
        if days
        else f"{hours:02}:{minutes:02}:{rest:02}"
    )

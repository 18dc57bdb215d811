"""Options of the admin listener."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from autogpt_db.settings.declaration import option

CONNECTIONS = 2
"""Connections to the database that the admin listener has at most."""


class AdminSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page for operators, and what programs that are not AutoGPT read; a process of its own."""

    enabled: Annotated[
        bool,
        option(
            "Whether there is an admin listener. It asks everybody for a token, and serves a page "
            "(`autogpt-db admin open`), /healthz, /readyz and /metrics, and REST at /v1."
        ),
    ] = False
    host: Annotated[
        str,
        option(
            "Address to listen on. Tokens cross the network in the clear: beyond loopback, put TLS "
            "before it, or reach it through ssh. The unit of systemd's lets in this machine alone, "
            "until IPAddressAllow= says whom else."
        ),
    ] = "127.0.0.1"
    port: Annotated[int, option("TCP port to listen on.", ge=1, le=65535)] = 8905
    allowed_hosts: Annotated[
        str,
        option(
            "Names that browsers may call it by, separated by commas, beside localhost, loopback "
            "addresses and admin.host: what a proxy before it is called. Others get 421."
        ),
    ] = ""
    show_content: Annotated[
        bool,
        option(
            "Whether page and programs see what users have written, put in and got out: inputs and "
            "outputs of runs, names of graphs, addresses, messages. Ids are always seen."
        ),
    ] = False

"""Connections beyond the file descriptors that there are: they wait, and nobody is reset."""

from __future__ import annotations

import resource
from contextlib import ExitStack

import pytest

from api_process import ApiProcess, read_reply, request
from autogpt_db.metrics import families
from metrics_reading import parse, total
from waiting import wait_for

CALL = request("tell_time", b"{}", "authorization: bearer x")
CLIENTS = 200


@pytest.mark.parametrize("lowered", ["before", "later"])
def test_connections_beyond_the_limit_wait_for_others_to_end(
    database_url: str, lowered: str
) -> None:
    command = ["prlimit", "--nofile=160:160"] if lowered == "before" else []
    with ExitStack() as stack:
        api = stack.enter_context(ApiProcess(database_url, command=command))
        assert api.call("tell_time")  # over a connection that is kept
        if lowered == "later":
            # Nobody knows of this one until the kernel says so.
            resource.prlimit(api.pid, resource.RLIMIT_NOFILE, (100, 100))
        connections = [stack.enter_context(api.connect()) for _ in range(CLIENTS)]
        for connection in connections:
            connection.sendall(CALL)
        assert read_reply(connections[0])[0] == 200
        wait_for(lambda: api.events("accepting_paused"), what="the record that it stopped")
        # Who is connected is served as ever.
        assert api.call("tell_time")
        for connection in connections:
            if connection is not connections[0]:
                assert read_reply(connection)[0] == 200
            connection.close()
        assert api.call("tell_time")
        assert len(api.events("accepting_paused")) == 1
        wait_for(lambda: api.events("accepting_resumed"), what="the record that it goes on")
        samples = parse(api.client.get("/metrics").text)
        assert total(samples, families.ACCEPT_PAUSES) >= 1
        assert api.events("internal_error") == []

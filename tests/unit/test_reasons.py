"""Why a connection failed, of libpq's many lines the one that tells."""

from __future__ import annotations

import psycopg
import pytest

from autogpt_db.database.causes import ANOTHER, lasts
from autogpt_db.database.reasons import raw_reason

NOBODY = (
    'connection failed: connection to server at "localhost" (::1), port 5432 failed: Connection'
    " refused\n\tIs the server running on that host and accepting TCP/IP connections?\n"
)
SECOND = 'connection to server at "localhost" (127.0.0.1), port 5432 failed: '


@pytest.mark.parametrize(
    "refusal",
    [
        'server certificate for "127.0.0.1" does not match host name "localhost"',
        'FATAL:  password authentication failed for user "autogpt"',
        'FATAL:  database "platform" does not exist',
    ],
)
def test_the_address_that_refuses_for_good_says_more_than_one_where_nobody_listens(
    refusal: str,
) -> None:
    error = psycopg.OperationalError(NOBODY + SECOND + refusal)
    assert raw_reason(error) == refusal.removeprefix("FATAL:  ")
    assert lasts(error)


@pytest.mark.parametrize("nobody", ["Connection refused", "Cannot assign requested address"])
def test_an_address_that_was_looked_up_here_is_this_machine_s_as_well(nobody: str) -> None:
    at = 'connection failed: connection to server at "{}", port 1 failed: '
    own = at.format("127.0.0.1") + "server does not support SSL, but SSL was required"
    other = ANOTHER + at.format("::1") + nobody
    assert lasts(psycopg.OperationalError(f"{own}\n{other}"))
    assert not lasts(psycopg.OperationalError(f"{own}\n{other}".replace("::1", "10.0.0.1")))
    another = other.replace("port 1 ", "port 2 ")
    assert not lasts(psycopg.OperationalError(f"{own}\n{another}")), "another server"


def test_else_the_first_address_is_told_of() -> None:
    assert raw_reason(psycopg.OperationalError(NOBODY + SECOND + "timeout expired")) == (
        "Connection refused"
    )


def test_of_two_machines_with_one_name_the_other_may_come_back() -> None:
    first = NOBODY.replace("::1", "10.0.0.1")
    second = SECOND.replace("127.0.0.1", "10.0.0.2")
    error = psycopg.OperationalError(first + second + "FATAL:  password authentication failed")
    assert raw_reason(error) == "password authentication failed"
    assert not lasts(error)


def test_another_host_is_not_an_address_of_the_first() -> None:
    other = f"{ANOTHER}host: 'b', port: None, hostaddr: None: password authentication failed"
    error = psycopg.OperationalError(NOBODY + other)
    assert raw_reason(error) == "Connection refused"


def test_each_host_must_refuse_for_good() -> None:
    other = f"{ANOTHER}host: 'b', port: None, hostaddr: None: "
    refused = SECOND + 'FATAL:  database "x" does not exist\n'
    assert lasts(psycopg.OperationalError(refused + other + "password authentication failed"))
    assert not lasts(psycopg.OperationalError(refused + other + "timeout expired"))
    assert not lasts(psycopg.OperationalError(NOBODY))
    assert not lasts(psycopg.OperationalError(""))

"""The client without a service: pauses, failures, and that it has the registry's methods."""

from __future__ import annotations

import inspect
import ssl
import subprocess
import sys
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt_db import client as package
from autogpt_db.api.idempotency import _KEY
from autogpt_db.client import AsyncClient, Client, ClientUsageError, Retries, models
from autogpt_db.client.checks import checked_key
from autogpt_db.client.errors import (
    _BY_TYPE,
    ArgumentsRefusedError,
    CallFailedError,
    ExpertRunPausedError,
    InsufficientBalanceError,
    MethodNotServedError,
    NotFoundError,
    ServerFaultError,
    ServiceUnavailableError,
    failure,
)
from autogpt_db.client.retries import Attempts
from autogpt_db.client.wire import Exchange, Options, authorities
from autogpt_db.operations import load_operations


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("operation", load_operations().values(), ids=lambda each: each.name)
def test_each_method_is_there_with_its_parameters(kind: Any, operation: Any) -> None:
    method = getattr(kind, operation.name, None)
    assert method is not None, "run: make reference"
    _, *parameters = inspect.signature(method).parameters.values()
    assert [parameter.name for parameter in parameters] == [p.name for p in operation.parameters]
    for given_, wanted in zip(parameters, operation.parameters, strict=True):
        assert (given_.default is inspect.Parameter.empty) == wanted.required, wanted.name
        if not wanted.required:
            assert given_.default == wanted.default
    assert inspect.iscoroutinefunction(method) == (kind is AsyncClient)
    names = {"models": models, "Mapping": Mapping, "Sequence": Sequence, "Any": Any}
    hints = typing.get_type_hints(method, None, names | {"date": date, "datetime": datetime})
    assert hints.keys() == {parameter.name for parameter in parameters} | {"return"}


def test_authorities_are_asked_where_there_is_tls_and_else_not_even_read() -> None:
    assert authorities("https://autogpt-db:8005") is True
    none = authorities("http://autogpt-db:8005")
    assert isinstance(none, ssl.SSLContext)
    assert none.get_ca_certs() == []
    assert none.verify_mode is ssl.CERT_REQUIRED, "whatever happens, nobody is believed"


def test_it_has_no_methods_beyond_the_registry() -> None:
    own = {"call", "close", "health_check", "with_options"}
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert public - own == load_operations().keys(), "run: make reference"


def test_importing_it_loads_nothing_of_the_service() -> None:
    code = "import autogpt_db.client, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("autogpt_db")}
    assert all(name.startswith("autogpt_db.client") for name in ours - {"autogpt_db"}), "no models"
    assert not {"psycopg", "uvicorn", "starlette", "structlog", "supervisor", "redis"} & {*loaded}


@given(
    st.integers(1, 20),
    st.floats(0.001, 5),
    st.floats(0.001, 30),
    st.sampled_from([None, "0", "3", "soon", "-1", "1.5"]),
)
def test_pauses_stay_below_their_bound(
    attempts: int, first: float, longest: float, retry_after: str | None
) -> None:
    tries = Attempts(Retries(attempts, first, longest, total=1e9))
    least = 3.0 if retry_after == "3" else 0.0
    for number in range(attempts - 1):
        pause = tries.pause(retry_after)
        assert pause is not None
        assert least <= pause <= least + min(longest, first * 2**number)
    assert tries.pause(retry_after) is None


def test_pauses_differ() -> None:
    found = {Attempts(Retries(first_pause=1)).pause() for _ in range(20)}
    assert len(found) > 10
    assert None not in found
    assert any(pause < 0.5 for pause in found if pause is not None)


def test_nothing_is_tried_past_the_total() -> None:
    assert Attempts(Retries(total=5)).pause("10") is None


def test_retry_after_may_be_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    pause = Attempts(Retries(total=1e9)).pause(at)
    assert pause is not None
    assert 50 < pause < 61


@pytest.mark.parametrize("status", [200, 400, 401, 404, 422, 500, 501, 502, 503, 504, 408, 429])
def test_only_passing_states_are_tried_again(status: int) -> None:
    exchange = Exchange("get_credits", {"user_id": "u"}, Options(), reads=False)
    again = exchange.pause_after(httpx.Response(status)) is not None
    assert again == (status in {408, 429, 502, 503, 504}), "a 500 would meet the same fault"


@pytest.mark.parametrize(
    ("body", "again"),
    [
        ({"type": "ConnectionError", "args": ["later"]}, True),
        ({"type": "Novel", "args": []}, True),
        ({"type": ["odd"]}, True),
        ([], True),
        ({"type": "ExpertPrivateTenancyNotFoundError", "args": ["x"]}, False),
    ],
)
def test_what_is_named_as_lasting_is_not_tried_again(body: Any, again: bool) -> None:
    exchange = Exchange("m", {}, Options(), reads=False)
    assert (exchange.pause_after(httpx.Response(503, json=body)) is not None) == again


@pytest.mark.parametrize(
    ("status", "body", "kind", "base"),
    [
        (400, {"type": "ValueError", "args": ["no"]}, "ValueRefusedError", ValueError),
        (
            400,
            {"type": "NotFoundError", "args": ["no"], "extras": None},
            "NotFoundError",
            ValueError,
        ),
        (400, {"type": "Novel", "args": ["no"]}, "CallFailedError", CallFailedError),
        (500, {"type": "Novel", "args": []}, "ServerFaultError", ServerFaultError),
        (500, None, "ServerFaultError", ServerFaultError),
        (503, {"type": "ConnectionError", "args": ["x"]}, "ServiceUnavailableError", OSError),
        (503, "<html>", "ServiceUnavailableError", ConnectionError),
        (404, {"detail": "Not Found"}, "MethodNotServedError", MethodNotServedError),
        (401, {"detail": "token"}, "TokenRefusedError", PermissionError),
        (413, {"detail": "too large"}, "CallFailedError", CallFailedError),
        (400, {"type": 7, "args": "x"}, "CallFailedError", CallFailedError),
    ],
)
def test_failures_have_classes(status: int, body: Any, kind: str, base: type) -> None:
    error = failure("m", status, body, "r-1")
    assert type(error).__name__ == kind
    assert isinstance(error, base)
    assert (error.status, error.request_id) == (status, "r-1")
    assert str(error).startswith("m: ")


def test_an_insufficient_balance_has_its_figures() -> None:
    args = ["Insufficient balance of $1.0, where this will cost $2.0", "u", 100, -200]
    error = failure("m", 400, {"type": "InsufficientBalanceError", "args": args}, None)
    assert isinstance(error, InsufficientBalanceError)
    assert (error.user_id, error.balance, error.amount) == ("u", 100, -200)
    assert error.arguments == tuple(args)
    odd = failure("m", 400, {"type": "InsufficientBalanceError", "args": ["x"]}, None)
    assert isinstance(odd, InsufficientBalanceError)


def test_failures_of_experts_name_them() -> None:
    paused = failure("m", 400, {"type": "ExpertRunPausedError", "args": ["why", "x"]}, None)
    assert isinstance(paused, ExpertRunPausedError)
    assert (str(paused), paused.expert_id) == ("m: why", "x")
    gone = failure("m", 404, {"type": "ExpertNotFoundError", "args": ["x"]}, None)
    assert isinstance(gone, NotFoundError)
    odd = failure("m", 400, {"type": "ExpertRunPausedError", "args": []}, None)
    assert isinstance(odd, ExpertRunPausedError)


def test_refused_arguments_name_their_field() -> None:
    detail = [{"type": "missing", "loc": ["body", "user_id"], "msg": "Field required"}]
    error = failure("m", 422, {"detail": detail}, None)
    assert isinstance(error, ArgumentsRefusedError)
    assert str(error) == "m: user_id: Field required"
    assert error.arguments == tuple(detail)


def test_every_failure_that_the_service_names_has_a_class() -> None:
    from autogpt_db import errors

    names = {
        each.wire_type
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.CallError)
    }
    assert names - _BY_TYPE.keys() == {"RuntimeError"}  # a bug of the service's
    for kind in {*_BY_TYPE.values()}:
        assert kind.__name__ in package.__all__ or kind.__module__ == "autogpt_db.client.errors"


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("token", "a\n", "line break"),
        ("token", "a\x00b", "control character"),
        ("token", " a", "begins or ends with a blank"),
        ("token", "a\ud800", "none in UTF-8"),
        ("token", b"a", "a bytes is given"),
        ("url", "", "neither http://host:port nor unix:"),
        ("url", "localhost:8005", "neither http://host:port nor unix:"),
        ("url", "ftp://h", "neither http://host:port nor unix:"),
        ("url", "http://", "neither http://host:port nor unix:"),
        ("url", "http://[::1", "cannot be read"),
        ("url", "http://h:port", "cannot be read"),
        ("url", "http://h\n", "cannot be read"),
        ("url", "http://h:0", "1 to 65535"),
        ("url", "http://h:99999", "1 to 65535"),
        ("url", "http://h/?a=b", "nothing behind it"),
        ("url", "http://h/#a", "nothing behind it"),
        ("url", "http://h/\ud800", "none in UTF-8"),
        ("url", "unix:", "names no socket"),
        ("url", "unix:/a\x00", "names no socket"),
        ("url", "unix:/" + "ä" * 60, "107 bytes at most"),
        ("url", None, "a NoneType is given"),
        ("timeout", 0, "no number of seconds"),
        ("timeout", float("nan"), "no number of seconds"),
        ("timeout", float("inf"), "no number of seconds"),
        ("timeout", "5", "no number of seconds"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once_and_named(
    kind: Any, name: str, value: Any, said: str
) -> None:
    with pytest.raises(ClientUsageError, match=said) as caught:
        kind(**{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert isinstance(caught.value, ValueError)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "given_",
    [
        {"token": "s3cr3t\n"}, {"url": "ftp://u:s3cr3t@h"}, {"url": "http://u:s3cr3t@h?a"},
        {"url": "http://u:s3cr3t@h:port"}, {"url": "http://u:s3cr3t#@h"},
    ],
)  # fmt: skip
def test_neither_token_nor_password_is_in_a_refusal(given_: dict[str, Any]) -> None:
    with pytest.raises(ClientUsageError) as caught:
        Client(**given_)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "ä", "a\n", "x" * 256, 7])
def test_a_key_that_the_service_would_refuse(key: Any) -> None:
    with Client() as client, pytest.raises(ClientUsageError, match=r"^idempotency_key: "):
        client.with_options(idempotency_key=key)


@given(st.text(max_size=3) | st.text("ab~!", min_size=254, max_size=257))
def test_keys_are_those_of_the_service(key: str) -> None:
    try:
        taken = checked_key(key) == key
    except ClientUsageError:
        taken = False
    assert taken == bool(_KEY.fullmatch(key.encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize("name", ["", "a/../b", "a?b", "a b", "ä", "a\n", "http://elsewhere/", "2"])
def test_a_name_that_no_method_can_have(name: str) -> None:
    with Client() as client, pytest.raises(ClientUsageError, match=r"^method: "):
        client.call(name)


@pytest.mark.parametrize(
    "retries",
    [
        {"attempts": 0}, {"first_pause": -1}, {"longest_pause": -0.1}, {"total": float("nan")},
    ],
)  # fmt: skip
def test_retries_that_mean_nothing(retries: dict[str, Any]) -> None:
    (name,) = retries
    with pytest.raises(ClientUsageError, match=f"^retries: {name}="):
        Retries(**retries)


def test_pauses_stay_numbers_however_often_it_is_tried() -> None:
    tries = Attempts(Retries(attempts=3000, first_pause=0.001, longest_pause=0.01, total=1e9))
    assert all(tries.pause() is not None for _ in range(2999))


def test_unavailability_and_missing_things_are_what_python_calls_them() -> None:
    assert issubclass(ServiceUnavailableError, ConnectionError)
    assert issubclass(NotFoundError, ValueError)

"""What makes an expert who it is, changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import ExpertNotFoundError, InvalidValueError, ValidationFailedError
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Start = Callable[..., Service]

X1 = {"user_id": "alice", "expert_id": "x1"}
FIELDS = ("identity", "voice_preferences", "boundaries")


@pytest.fixture
def service(service_in: Start) -> Service:
    return service_in(LATEST, seeded=True)


def soul(service: Service, expert: str = "x1") -> tuple[Any, ...]:
    (row,) = service.rows(
        """SELECT identity, "voicePreferences", boundaries FROM "Expert" WHERE id = %(it)s""",
        it=expert,
    )
    return tuple(row)


def test_what_is_given_is_trimmed_and_the_rest_stays(service: Service) -> None:
    _, voice, boundaries = soul(service)
    found = service.call("update_soul_fields", **X1, identity="  new me \n")
    assert service.statements == 2
    assert (found["identity"], found["workflows"]) == ("new me", [])
    assert soul(service) == ("new me", voice, boundaries)
    service.call("update_soul_fields", **X1, voice_preferences=" ", boundaries="b")
    assert soul(service) == ("new me", "", "b")


def test_blank_and_long_texts_are_refused(service: Service) -> None:
    before = soul(service)
    for method in ("update_soul_fields", "update_soul_fields_if_current"):
        for field, text in (
            ("identity", "   "), ("identity", "i" * 10_001), ("voice_preferences", "v" * 4001),
            ("boundaries", "b" * 4001),
        ):  # fmt: skip
            expected = {f"expected_{field}": before[FIELDS.index(field)]}
            given = {field: text} | (expected if method.endswith("current") else {})
            with pytest.raises(ValidationFailedError, match=field):
                service.call(method, **X1, **given)
        with pytest.raises(InvalidValueError, match=r"^At least one Soul field must be provided$"):
            service.call(method, **X1)
    assert soul(service) == before
    service.call("update_soul_fields", **X1, identity="i" * 10_000, boundaries="b" * 4000)


def test_only_ones_own_live_expert_is_changed(service: Service) -> None:
    for user, expert in (("bob", "x1"), ("alice", "x2"), ("alice", "xt1"), ("alice", "none")):
        call = {"user_id": user, "expert_id": expert, "identity": "q"}
        with pytest.raises(ExpertNotFoundError):
            service.call("update_soul_fields", **call)
        assert not service.call(
            "update_soul_fields_if_current", **call, expected_identity="I am Archie"
        )
    with pytest.raises(ExpertNotFoundError):
        service.call("update_soul_fields", user_id="alice", expert_id="x3", boundaries="b")
    assert soul(service, "x3")[2] == "b", "a team's is changed and not shown, as AutoGPT does"


def test_it_changes_only_what_the_caller_has_seen(service: Service) -> None:
    identity, _, boundaries = soul(service)
    method = "update_soul_fields_if_current"
    call = {"identity": "a", "expected_identity": identity}
    assert not service.call(method, **X1, **call, boundaries="b", expected_boundaries="other")
    assert soul(service)[0] == identity
    with pytest.raises(InvalidValueError, match=r"expected_boundaries"):
        service.call(method, **X1, **call, boundaries="b")
    assert service.call(method, **X1, **call, boundaries="b", expected_boundaries=boundaries)
    assert service.statements == 1
    assert not service.call(method, **X1, **call), "it has changed"
    answers = service.together(
        [(method, {**X1, "identity": f"{n}", "expected_identity": "a"}) for n in range(12)]
    )
    assert answers.count(True) == 1

"""Whom root's private PostgreSQL runs as."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from autogpt_db.database.provisioning.embedded.account import choose_account

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who hands it on")


@pytest.fixture
def a_bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the machine's accounts be those of a distribution without any package of ours."""
    everybody = pwd.getpwnam

    def known(name: str) -> pwd.struct_passwd:
        if name in {"autogpt-db", "postgres"}:
            raise KeyError(name)
        return everybody(name)

    monkeypatch.setattr(pwd, "getpwnam", known)


@pytest.mark.usefixtures("a_bare_machine")
def test_without_an_account_of_its_own_it_is_said_what_that_means(tmp_path: Path) -> None:
    with capture_logs() as records:
        account = choose_account(None, tmp_path)
    assert account is not None
    assert account.name == "nobody"
    (record,) = records
    assert record["event"] == "embedded_account_shared"
    assert "useradd --system autogpt-db" in record["remedy"]


@pytest.mark.usefixtures("a_bare_machine")
def test_who_asks_for_it_is_not_told(tmp_path: Path) -> None:
    with capture_logs() as records:
        account = choose_account("nobody", tmp_path)
    assert account is not None
    assert records == []


def test_data_that_is_there_stays_its_owner_s(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("18")
    os.chown(tmp_path, 4711, 4711)
    account = choose_account(None, tmp_path)
    assert account is not None
    assert account.user_id == 4711

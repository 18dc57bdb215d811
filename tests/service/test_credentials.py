"""Secrets that change under a running service: systemd renews them at a start, at no reload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from guest import CREDENTIALS, UNIT

if TYPE_CHECKING:
    from guest import Guest


def write(guest: Guest, name: str, text: str) -> None:
    file = guest.path(f"{CREDENTIALS}/{name}")
    file.write_text(text)
    file.chmod(0o600)


def credential_findings(guest: Guest) -> list[str]:
    done = guest.attempt("autogpt-db", "doctor", "--json")
    checks = json.loads(done.stdout)["checks"]
    return [c["text"] for c in checks if c["check"] == "credentials" and c["level"] == "warn"]


def assert_reload_refused(guest: Guest, name: str) -> None:
    """Expect exit, log, STATUS, doctor and check to say that a reload takes no new credential."""
    before = guest.child_pid("api:api_00")
    since = guest.now()
    assert guest.attempt("systemctl", "reload", UNIT).returncode != 0
    (record,) = guest.records("EVENT=configuration_invalid", since=since)
    print(record["MESSAGE"])
    assert name in record["MESSAGE"]
    assert "systemctl restart autogpt-db" in record["MESSAGE"]
    assert f"{name} changed" in guest.property("StatusText")
    by_hand = guest.attempt("autogpt-db", "ctl", "reload")
    assert by_hand.returncode == 78
    assert f"credentials: {name}: changed since the service was started" in by_hand.stderr
    assert [each for each in credential_findings(guest) if each.startswith(f"{name} changed")]
    checked = guest.attempt("autogpt-db", "check")
    assert f"credentials: {name}: changed" in checked.stdout
    assert guest.child_pid("api:api_00") == before, "nothing was reloaded"


def test_a_reload_says_that_only_a_restart_takes_a_new_token(service: Guest) -> None:
    with service.credential("api_token", "the-first-token"):
        service.run("systemctl", "restart", UNIT)
        service.run("systemctl", "reload", UNIT)  # nothing has changed
        write(service, "api_token", "the-second-token\n")
        assert_reload_refused(service, "api_token")
        write(service, "api_token", "the-first-token\n")  # an end of line is no change
        service.run("systemctl", "reload", UNIT)
        write(service, "api_token", "the-second-token\n")
        service.run("systemctl", "restart", UNIT)
        service.run("systemctl", "reload", UNIT)
        assert "changed" not in service.property("StatusText")
        assert service.call("get_execution_kv_data", "user_id=u", "key=k") is None
    # One that was taken away is a change as well; `credential` has restarted the service.
    write(service, "redis_password", "new")
    assert_reload_refused(service, "redis_password")
    service.path(f"{CREDENTIALS}/redis_password").unlink()
    service.run("systemctl", "reload", UNIT)


def test_the_first_credential_of_all_is_a_change_as_well(service: Guest) -> None:
    """A service without any may have no directory for them, and systemd names it none."""
    drop_in = "[Service]\nLoadCredential=\nLoadCredential=autogpt-db:/root/elsewhere/\n"
    service.drop_in("elsewhere.conf", "[Service]\nLoadCredential=\n")
    service.run("systemctl", "restart", UNIT)
    assert json.loads(service.run("autogpt-db", "status", "--json"))["credentials"] is None
    try:
        service.path("/root/elsewhere").mkdir()
        service.path("/root/elsewhere/redis_password").write_text("new")
        service.drop_in("elsewhere.conf", drop_in)
        refused = service.attempt("systemctl", "reload", UNIT)
        assert refused.returncode != 0
        assert "redis_password changed" in service.property("StatusText")
    finally:
        service.run("rm", "-r", "/root/elsewhere")
        service.drop_in("elsewhere.conf", None)
        service.run("systemctl", "restart", UNIT)


def test_a_credential_named_one_by_one_and_one_that_is_encrypted_are_seen_too(
    service: Guest,
) -> None:
    place = Path("/root/elsewhere")
    service.path(str(place)).write_text("the-first")
    sealed = "/root/sealed"
    service.run("systemd-creds", "setup")
    seal = ("systemd-creds", "encrypt", "--with-key=host", "--name=redis_password", "-", sealed)
    service.run(*seal, text="sealed-first")
    service.drop_in(
        "one.conf",
        f"[Service]\nLoadCredential=api_token:{place}\n"
        f"LoadCredentialEncrypted=redis_password:{sealed}\n",
    )
    try:
        service.run("systemctl", "restart", UNIT)
        service.run("systemctl", "reload", UNIT)
        service.path(str(place)).write_text("the-second")
        refused = service.attempt("autogpt-db", "ctl", "reload")
        assert "credentials: api_token: changed" in refused.stderr
        service.path(str(place)).write_text("the-first")
        service.path(sealed).unlink()
        service.run(*seal, text="sealed-second")
        refused = service.attempt("autogpt-db", "ctl", "reload")
        assert "credentials: redis_password: changed" in refused.stderr
    finally:
        service.drop_in("one.conf", None)
        service.run("systemctl", "restart", UNIT)

"""The commands of docs/howto/replace-autogpts-container.md by systemd, and a reboot after them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from guest import ROOT, UNIT

if TYPE_CHECKING:
    from guest import Guest

PAGE = ROOT / "docs/howto/replace-autogpts-container.md"
BRIDGE = "172.18.0.1"
KEY = "dvziYgz0KSK8FENhju0ZYi8-fRTfAdlz6YLhdB_jhNw="
URL = "postgresql://autogpt:geheim-4711@127.0.0.1:5432/autogpt?schema=platform"


def commands() -> str:
    """Return the page's block, with what a reader fills in."""
    section = PAGE.read_text().split("## By systemd", 1)[1]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    filled = re.sub(r"'postgresql://[^']*'", f"'{URL}'", block)
    return filled.replace("the ENCRYPTION_KEY", KEY)


def bring_up_bridge(guest: Guest) -> None:
    """Give the guest the bridge's address, as the containers' engine does some time after boot."""
    guest.run("ip", "address", "add", f"{BRIDGE}/16", "dev", "lo")


def findings(guest: Guest, check: str) -> list[tuple[str, str]]:
    done = guest.attempt("autogpt-db", "doctor", "--json")
    checks = json.loads(done.stdout)["checks"]
    return [(each["level"], each["text"]) for each in checks if each["check"] == check]


def answers(guest: Guest) -> bool:
    script = f"import urllib.request as u; print(u.urlopen('http://{BRIDGE}:8005/live').status)"
    return guest.attempt("timeout", "20", "python3", "-c", script).stdout.strip() == "200"


def test_it_serves_the_bridge_after_the_installation_and_after_a_reboot(
    fresh_guest: Guest,
) -> None:
    guest = fresh_guest
    guest.run("dpkg", "-i", "/packages/autogpt-db.deb")
    guest.run("systemctl", "enable", "--now", UNIT)  # as install.md has it, before this page
    guest.run("systemctl", "enable", "--now", "postgresql")
    as_postgres = ("runuser", "-u", "postgres", "--", "psql", "-qc")
    guest.run(*as_postgres, "CREATE ROLE autogpt LOGIN PASSWORD 'geheim-4711'")
    guest.run(*as_postgres, "CREATE DATABASE autogpt OWNER autogpt")
    guest.run("autogpt-db", "--set", f"database.url={URL}", "migrate", "--create")
    written, restarted = commands().split("systemctl daemon-reload")
    guest.run("sh", "-ec", written)
    # Half of the way: what runs, and what the files would have it do.
    assert ("warn", "the files of autogpt-db.service have changed") in findings(guest, "unit")
    (listening,) = findings(guest, "listening")
    assert listening[0] == "warn"
    assert f"would have it listen at http://{BRIDGE}:8005" in listening[1]
    (database,) = findings(guest, "database in use")
    assert database[0] == "warn"
    assert "the settings would have it use 127.0.0.1:5432" in database[1]
    # The bridge is not there yet, and that fails nothing.
    restart, _, look = restarted.rstrip().rpartition("\n")
    guest.run("sh", "-ec", f"systemctl daemon-reload{restart}")
    assert [level for level, _ in findings(guest, "unit")] == ["ok"]
    guest.wait_serving()
    assert " at 127.0.0.1:5432" in guest.property("StatusText")
    bring_up_bridge(guest)
    assert answers(guest)
    guest.run(*look.split())
    for check in ("listening", "database in use"):
        ((level, text),) = findings(guest, check)
        print(f"{check}: {text}")
        assert level == "ok"
    guest.reboot()
    guest.wait_serving()
    assert not answers(guest)
    bring_up_bridge(guest)
    assert answers(guest)
    print(guest.property("StatusText"))
    assert " at 127.0.0.1:5432" in guest.property("StatusText")


def test_an_address_in_the_settings_that_systemd_overrules_is_told_and_not_believed(
    service: Guest,
) -> None:
    file = service.path("/etc/autogpt-db/autogpt-db.toml")
    before = file.read_text()
    try:
        file.write_text(before.replace("# port = 8005\n", "port = 8105\n", 1))
        since = service.now()
        service.run("systemctl", "reload", UNIT)
        (record,) = service.records("EVENT=address_not_used", since=since)
        print(record["MESSAGE"])
        assert "api.port" in record["MESSAGE"]
        told = [text for level, text in findings(service, "listening") if level == "warn"]
        assert ["127.0.0.1:8105) have no effect" in each for each in told] == [True], told
        for account in ("root", "nobody"):
            call = ("autogpt-db", "call", "get_execution_kv_data", "user_id=u", "key=k")
            assert service.run("runuser", "-u", account, "--", *call) == "null"
    finally:
        file.write_text(before)
        service.run("systemctl", "reload", UNIT)

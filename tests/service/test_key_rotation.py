"""The commands of docs/howto/rotate-the-encryption-key.md, as they stand there, under load."""

from __future__ import annotations

import base64
import json
import os
import re
import textwrap
from typing import TYPE_CHECKING

import psycopg

from guest import CREDENTIALS, ROOT, UNIT, GuestWriters
from load import lost

if TYPE_CHECKING:
    from guest import Guest

PAGE = ROOT / "docs/howto/rotate-the-encryption-key.md"
STORED = {"credentials": [{"type": "api_key", "id": "c", "provider": "p", "api_key": "alice's"}]}


def blocks() -> list[str]:
    """Return the page's shell blocks, in their order."""
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_the_page_s_commands_rotate_the_key_and_refuse_nobody(service: Guest) -> None:
    make, give, rotate, remove = blocks()
    old = base64.urlsafe_b64encode(os.urandom(32)).decode()
    key = service.path(f"{CREDENTIALS}/integrations_encryption_key")
    previous = service.path(f"{CREDENTIALS}/integrations_previous_encryption_key")
    key.write_text(old)
    key.chmod(0o600)
    service.run("systemctl", "restart", UNIT)
    try:
        with psycopg.connect(service.database_url(), autocommit=True) as connection:
            connection.execute(
                """
                INSERT INTO platform."User" ("id", "email", "updatedAt")
                VALUES ('alice', 'a@example.com', now())
                """
            )
        service.call("update_user_integrations", "user_id=alice", f"data={json.dumps(STORED)}")

        def stored_is_read() -> bool:
            found = service.call("get_user_integrations", "user_id=alice")
            return bool(found["credentials"][0]["api_key"] == "alice's")

        with GuestWriters(service, clients=8) as writers:
            writers.wait_for_more()
            service.run("sh", "-ec", make)
            assert key.read_text().strip() != previous.read_text().strip() == old
            assert (key.stat().st_mode & 0o777, previous.stat().st_mode & 0o777) == (0o600, 0o600)
            # Whoever leaves out the restart is told, and nothing is lost.
            assert service.attempt("systemctl", "reload", UNIT).returncode != 0
            refused = service.attempt("autogpt-db", "rotate-key")
            assert refused.returncode == 78
            assert refused.stderr.count("has the old key alone") == 2, refused.stderr
            assert stored_is_read()
            service.run("sh", "-ec", give)
            assert stored_is_read()
            with psycopg.connect(service.database_url(), application_name="prisma"):
                refused = service.attempt("sh", "-ec", rotate)
                assert refused.returncode == 78
                assert "others are on the database: prisma" in refused.stderr
                assert "In the way of doing it: others are on" in refused.stdout
            printed = service.run("sh", "-ec", rotate)
            assert "All are of the new key" in printed
            assert stored_is_read()
            service.run("sh", "-ec", remove)
            writers.wait_for_more()
        assert stored_is_read()
        assert service.property("ActiveState") == "active"
        history = writers.history
        missing = lost(service.database_url(), history.acknowledged)
        print(f"a rotation with two restarts: {history}; {len(missing)} acknowledged writes lost")
        assert set(history.outcomes) == {"ok"}, history.first_failures
        assert missing == []
    finally:
        with psycopg.connect(service.database_url(), autocommit=True) as connection:
            connection.execute("""DELETE FROM platform."User" WHERE "id" = 'alice'""")
        key.unlink(missing_ok=True)
        previous.unlink(missing_ok=True)
        service.run("systemctl", "restart", UNIT)

"""A private cluster that Debian 12 made, and Debian 13's PostgreSQL: run with SUITE=trixie."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from guest import Guest, tree

LIBRARIES = "usr/lib/x86_64-linux-gnu"
OLD = "usr/lib/postgresql/15"
pytestmark = pytest.mark.skipif(
    os.environ.get("LAB_SUITE") != "trixie", reason="needs a guest of Debian 13: SUITE=trixie"
)


def install_old_postgresql(guest: Guest) -> None:
    """Put Debian 12's PostgreSQL beside the guest's, as an upgraded machine has it."""
    debian_12 = tree("bookworm")
    for name in (OLD, "usr/share/postgresql/15"):
        shutil.copytree(debian_12 / name, guest.path(name), symlinks=True)
    missing = re.findall(
        r"^\s(\S+) => not found", guest.run("sh", "-c", f"ldd /{OLD}/bin/* || true"), re.MULTILINE
    )
    while missing:
        library = missing.pop()
        copy = guest.path(f"usr/local/lib/{library}")
        if not copy.exists():
            copy.write_bytes((debian_12 / LIBRARIES / library).read_bytes())
            needed = guest.run("ldd", f"/usr/local/lib/{library}")
            missing += re.findall(r"^\s(\S+) => not found", needed, re.MULTILINE)
    guest.run("ldconfig")


def test_data_of_15_is_served_on_debian_13_and_moved_to_17(fresh_guest: Guest) -> None:
    guest = fresh_guest
    install_old_postgresql(guest)
    guest.run("dpkg", "-i", "/packages/autogpt-db.deb")
    file = guest.path("/etc/autogpt-db/autogpt-db.toml")
    text = file.read_text()
    pinned = re.sub(r"(?m)^# binaries = .*$", f'binaries = "/{OLD}/bin"', text)
    file.write_text(pinned)
    guest.run("systemctl", "enable", "--now", "autogpt-db")
    guest.call("set_execution_kv_data", "user_id=u", "node_exec_id=n", "key=k", "data=42")
    assert "PostgreSQL 15." in guest.property("StatusText")
    # Nothing says which PostgreSQL any more: the data's own is taken.
    file.write_text(text)
    guest.run("systemctl", "restart", "autogpt-db")
    assert "PostgreSQL 15." in guest.property("StatusText")
    guest.run("systemctl", "stop", "autogpt-db.socket", "autogpt-db.service")
    words = guest.run("autogpt-db", "upgrade-cluster")
    print(words)
    assert re.match(r"Upgraded from PostgreSQL 15\.\S+ to 17\.", words)
    guest.run("systemctl", "start", "autogpt-db")
    print(guest.property("StatusText"))
    assert "PostgreSQL 17." in guest.property("StatusText")
    assert guest.call("get_execution_kv_data", "user_id=u", "key=k") == 42

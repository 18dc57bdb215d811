"""Installing as a newcomer does, and removing: nothing is left but configuration and data."""

from __future__ import annotations

import re

from guest import ROOT, Guest

# What a machine gains by itself once something has been installed or has run on it.
OTHERS = re.compile(
    r"/var/(log|cache|tmp|lib/(dpkg|apt|systemd|private|logrotate))(/|$)|/(root|tmp|run)(/|$)"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-|/etc/\.pwd\.lock"
    r"|/usr/local/share/man$|.*/__pycache__(/|$)"
)
OURS = re.compile(r"/(etc|var/lib)/autogpt-db(/|$)")


def commands(page: str, heading: str) -> list[str]:
    """Return the commands of the first sh block below a heading of a page."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^##+ {heading}\n.*?^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found is not None, (page, heading)
    lines = (line.partition("#")[0].strip() for line in found[1].splitlines())
    return [line for line in lines if line]


def as_root(command: str) -> str:
    return command.removeprefix("sudo ")


def left_behind(guest: Guest, before: set[str]) -> list[str]:
    """Return what is new on the disk, but for configuration, data and others' files."""
    new = guest.files() - before
    return sorted(name for name in new if not OURS.match(name) and not OTHERS.match(name))


def test_the_readmes_two_commands_and_its_journal_query(fresh_guest: Guest) -> None:
    guest = fresh_guest
    before = guest.files()
    install, start, call, journal = commands("README.md", "A service")
    for command in (install, start):
        guest.run("sh", "-c", f"cd /clone && UV=/usr/local/bin/uv UV_OFFLINE=1 {as_root(command)}")
    assert guest.run("systemctl", "is-active", "autogpt-db") == "active"
    assert guest.run("systemctl", "is-enabled", "autogpt-db") == "enabled"
    guest.run("sh", "-c", call)
    shown = guest.run("sh", "-c", as_root(journal)).splitlines()
    print(f"{install} && {start}: {guest.property('StatusText')}\n{shown[-1]}")
    assert "method=" in shown[-1]
    assert call.split()[2] in shown[-1]
    # What move-to-a-managed-postgresql.md sends its readers to.
    page = (ROOT / "docs/howto/move-to-a-managed-postgresql.md").read_text()
    (programs,) = re.findall(r"`(/opt/autogpt-db/\S+/bin)`", page)
    for name in ("pg_dump", "pg_restore", "psql"):
        assert " 18." in guest.run("sh", "-c", f"{programs}/{name} --version")
    # Installed over a running service: it is restarted. Removed: only what is ours to keep stays.
    main = guest.main_pid()
    guest.run("sh", "-c", "cd /clone && UV=/usr/local/bin/uv UV_OFFLINE=1 make install")
    assert guest.main_pid() not in {0, main}
    guest.wait_serving()
    guest.run("make", "-C", "/clone", "uninstall")
    assert guest.attempt("systemctl", "status", "autogpt-db").returncode == 4  # no such unit
    assert guest.processes() == []
    left = left_behind(guest, before)
    print(f"make uninstall leaves {len(left)} files beside configuration and data")
    assert left == []
    assert not guest.path("/var/log/autogpt-db").exists()
    assert guest.path("/var/lib/autogpt-db/postgresql/data/PG_VERSION").exists()
    assert guest.path("/etc/autogpt-db/autogpt-db.toml").exists()


def test_one_way_of_installing_does_not_take_the_other_down(fresh_guest: Guest) -> None:
    guest = fresh_guest
    make = ("sh", "-c", "cd /clone && UV=/usr/local/bin/uv UV_OFFLINE=1 make install")
    guest.run("dpkg", "-i", "/packages/autogpt-db.deb")
    refused = guest.attempt(*make)
    print(refused.stderr)
    assert refused.returncode != 0
    assert "is installed as a package" in refused.stderr
    assert not guest.path("/usr/local/bin/autogpt-db").exists()
    guest.run("dpkg", "--remove", "autogpt-db")
    guest.run(*make)
    refused = guest.attempt("dpkg", "-i", "/packages/autogpt-db.deb")
    print(refused.stderr)
    assert refused.returncode != 0
    assert "make uninstall" in refused.stderr
    # What an earlier version of both has left: the package's remainder goes, our program stays.
    guest.run("dpkg", "--purge", "autogpt-db")
    assert guest.run("autogpt-db", "--version").startswith("autogpt-db, version")
    guest.run("make", "-C", "/clone", "uninstall")

    data = guest.path("/var/lib/autogpt-db/postgresql/data")
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    refused = guest.attempt("dpkg", "-i", "/packages/autogpt-db.deb")
    print(refused.stderr)
    assert refused.returncode != 0
    assert "was made by PostgreSQL 18, and this package runs" in refused.stderr
    assert not guest.path("/usr/bin/autogpt-db").exists()
    binary = guest.path("/usr/lib/postgresql/18/bin/postgres")
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    guest.run("dpkg", "-i", "/packages/autogpt-db.deb")


def test_a_removed_package_leaves_data_and_a_new_one_finds_it(fresh_guest: Guest) -> None:
    guest = fresh_guest
    # The distribution's own cluster goes; ours runs by the same programs.
    version = guest.run("pg_lsclusters", "--no-header").split()[0]
    for command in commands("docs/howto/install.md", "The distribution's own PostgreSQL"):
        guest.run("sh", "-c", re.sub(r"\b15\b", version, as_root(command)))
    assert guest.run("pg_lsclusters", "--no-header") == ""
    before = guest.files()
    (install, start) = commands("docs/howto/install.md", "A package")[-2:]
    guest.run(
        "sh", "-c", as_root(install).replace("./dist/autogpt-db_*.deb", "/packages/autogpt-db.deb")
    )
    guest.run("sh", "-c", as_root(start))
    guest.call("set_execution_kv_data", "user_id=u", "node_exec_id=n", "key=k", "data=42")
    guest.run("apt-get", "remove", "-y", "autogpt-db")
    assert guest.processes() == []
    assert guest.path("/etc/autogpt-db/autogpt-db.toml").exists()
    guest.run("dpkg", "-i", "/packages/autogpt-db.deb")
    guest.run("systemctl", "enable", "--now", "autogpt-db")
    assert guest.call("get_execution_kv_data", "user_id=u", "key=k") == 42
    guest.run("apt-get", "purge", "-y", "autogpt-db")
    left = left_behind(guest, before)
    print(f"apt-get purge leaves {len(left)} files beside the data")
    assert left == []
    assert not guest.path("/etc/autogpt-db").exists()
    assert not guest.path("/var/log/autogpt-db").exists()
    assert guest.path("/var/lib/autogpt-db/postgresql/data/PG_VERSION").exists()

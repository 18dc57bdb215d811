"""doctor: what is wrong is found, named, and comes with something to do."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from ages import OLD
from autogpt_db.cli.directories import refuse_unusable
from autogpt_db.cli.doctor import checks, host
from autogpt_db.cli.doctor.checks import examine
from autogpt_db.cli.doctor.findings import Finding, Situation
from autogpt_db.cli.inspect import check_everything
from autogpt_db.cli.methods import describe_methods
from autogpt_db.cli.sources import Sources
from autogpt_db.database.troubles import TROUBLES
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import (
    AdminSettings,
    ApiSettings,
    DatabaseSettings,
    Secret,
    Settings,
)
from autogpt_db.settings import sources as settings_sources
from autogpt_db.supervision import unit
from daemon_process import free_port
from postgres_server import with_schema
from releases.building import ENCRYPTION_KEY
from unprivileged import as_nobody

Examine = Callable[..., dict[str, list[Finding]]]


@pytest.fixture
def examined(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Examine]:
    """Yield a function that examines a stopped service on a migrated database."""
    file = tmp_path / "autogpt-db.toml"
    file.touch()
    for name in ("DATABASE_URL", "CREDENTIALS_DIRECTORY", "AUTOGPT_DB_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    # What the shell of whoever runs the tests allows is not what is examined here.
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def examine_with(
        *assignments: str, content: str = "", url: str | None = None
    ) -> dict[str, list[Finding]]:
        file.write_text(content)
        monkeypatch.setenv("DATABASE_URL", url or with_schema(database_url))
        given = (f"state_directory={tmp_path}", f"runtime_directory={tmp_path}/run", "api.port=0")
        found: dict[str, list[Finding]] = {}
        for finding in examine(Sources(file, (*given, *assignments))):
            found.setdefault(finding.check, []).append(finding)
        return found

    yield examine_with
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


def test_a_sound_installation_has_nothing_to_do(examined: Examine) -> None:
    found = examined()
    levels = {name: {finding.level for finding in findings} for name, findings in found.items()}
    assert levels.pop("service") == {"warn"}, "it is not running"
    assert levels.pop("durability") == {"warn"}, "the tests' servers don't wait for the disk"
    if OLD:
        assert levels.pop("tables") == {"warn"}, "they can be brought forward"
    assert {name: at for name, at in levels.items() if at != {"ok"}} == {}, found
    expected = "configuration unit address database schema connections permissions clock limits"
    assert {*expected.split(), "encryption key", "disk space"} <= set(levels)


def test_it_says_whether_balances_are_filled_up_and_why(
    examined: Examine, release_database: Callable[..., str]
) -> None:
    assert "monthly refill" not in examined("credits.enabled=false")

    def told(state: str, *assignments: str) -> str:
        url = with_schema(release_database(state, ours=True))
        (finding,) = examined("credits.enabled=true", *assignments, url=url)["monthly refill"]
        assert finding.level == "ok"
        return finding.text

    assert told("v0.6.58").startswith("on, as AutoGPT has it up to v0.6.58")
    assert told("v0.6.68").startswith("off, AutoGPT has no monthly allowance since v0.6.59")
    assert told("v0.6.68", "credits.monthly_refill=on") == "on, as credits.monthly_refill says"
    assert told("v0.6.48", "credits.monthly_refill=off") == "off, as credits.monthly_refill says"
    url = release_database("v0.6.68", ours=True)
    with psycopg.connect(url) as connection:
        connection.execute("""
            CREATE TABLE IF NOT EXISTS autogpt_db.migration (
                number integer, name text, checksum text, program_version text,
                applied_at timestamptz);
            INSERT INTO autogpt_db.migration (number, name, checksum, program_version, applied_at)
            VALUES (1, '0001_platform', '', '', '2026-01-01'),
                   (8, 'platform_0008_new_tables', '', '', '2026-02-01');
            """)
    (finding,) = examined("credits.enabled=true", url=with_schema(url))["monthly refill"]
    assert finding.text.startswith("on, as before an earlier autogpt-db's tables")


def test_it_says_where_budgets_of_experts_stop_nothing(
    examined: Examine, release_database: Callable[..., str]
) -> None:
    def told(state: str, *assignments: str) -> set[str]:
        found = examined(*assignments, url=with_schema(release_database(state, ours=True)))
        return {finding.remedy for finding in found.get("experts' budgets", [])}

    assert told("v0.7.1") == {"Set redis.host to AutoGPT's Redis, or to any node of its Cluster."}
    assert told("v0.7.1", "redis.host=redis.example") == set()
    assert told("v0.7.0") == set(), "experts run nothing there"


def only(found: dict[str, list[Finding]], check: str) -> Finding:
    (finding,) = [one for one in found[check] if one.level != "ok"]
    assert finding.text
    assert not finding.text.endswith(".")
    return finding


def test_every_fault_of_the_configuration_is_named(examined: Examine) -> None:
    found = examined(content="[api]\nprt = 1\nprocesses = 1000\n")
    texts = [finding.text for finding in found["configuration"]]
    assert {finding.level for finding in found["configuration"]} == {"fail"}
    assert any("did you mean api.port" in text for text in texts)
    assert any("api.processes" in text for text in texts)
    assert "database" in found, "the rest is looked at all the same"


def test_a_database_that_does_not_answer(examined: Examine) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        found = examined(url=f"postgresql://user:hunter2@127.0.0.1:{port}/d?schema=platform")
    finding = only(found, "database")
    assert finding.level == "fail"
    assert "refused" in finding.text
    assert "DATABASE_URL" in finding.remedy
    assert "hunter2" not in str(found)
    assert "schema" not in found


def test_a_schema_that_is_newer_or_not_there_yet(
    examined: Examine, database_url: str, empty_database: str
) -> None:
    finding = only(examined(url=with_schema(empty_database)), "schema")
    assert finding.level == "warn"
    assert "waits for AutoGPT's migrations" in finding.text
    assert "autogpt-db migrate --create" in finding.remedy
    asked = examined("database.create_tables=true", url=with_schema(empty_database))
    assert "0001_platform" in only(asked, "schema").text
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO autogpt_db.migration VALUES (9001, '9001_future', 'x', '7.2.1')"
        )
    finding = only(examined(), "schema")
    assert finding.level == "fail"
    assert "9001_future" in finding.text


def test_what_the_service_would_warn_about_is_a_finding(
    examined: Examine, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('DROP TABLE IF EXISTS platform."UnifiedContentEmbedding" CASCADE')
    warned = {one.text.split()[0]: one for one in examined()["schema"] if one.level == "warn"}
    # Of tables that have a release with the search's own method, that is not served, either.
    assert warned.keys() == {"schema_partly_there"} | (set() if OLD else {"methods_not_served"})
    assert all("UnifiedContentEmbedding" in one.text for one in warned.values())
    finding = warned["schema_partly_there"]
    assert finding.remedy == (
        "install pgvector for the server's PostgreSQL, where its distribution has it (Debian 12 "
        "has none for 15; apt.postgresql.org does), and restart, or run AutoGPT's migrations; "
        "store search does without until then"
    )
    assert capfd.readouterr().out == "", "what is printed is doctor's alone"


def test_the_release_and_what_it_lacks_are_told(
    examined: Examine, release_database: Callable[..., str]
) -> None:
    url = release_database("v0.6.59", ours=True)
    finding = only(examined(url=with_schema(url)), "release")
    assert finding.level == "warn"
    assert "looks like AutoGPT v0.6.59; of the 125 methods" in finding.text
    assert "api.fallback_url" in finding.remedy
    passing = examined("api.fallback_url=http://127.0.0.1:1", url=with_schema(url))
    assert [one.level for one in passing["release"]] == ["ok"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('DROP TABLE platform."OAuthAccessToken" CASCADE')
    found = examined("api.fallback_url=http://127.0.0.1:1", url=with_schema(url))
    finding = only(found, "release")
    assert finding.text.startswith("cleanup_expired_oauth_tokens is not served")
    assert 'table "OAuthAccessToken"' in finding.text
    settings = Settings(database=DatabaseSettings(url=Secret(with_schema(url))))
    told = 'not served: cleanup_expired_oauth_tokens: the database lacks table "OAuthAccessToken"'
    assert told in list(describe_methods(settings, as_json=False))
    checked = list(check_everything(settings))
    assert told in checked
    assert any("looks like AutoGPT v0.6.59" in line for line in checked)


def test_a_key_that_is_missing_or_another(examined: Examine, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO platform."User" ("id", "email", "updatedAt", "integrations")'
            " VALUES ('u', 'e', now(), 'gAAAAA-not-of-this-key')"
        )
    finding = only(examined(), "encryption key")
    assert finding.level == "warn"
    assert "ENCRYPTION_KEY" in finding.remedy
    key = "YXV0b2dwdC1kYi1hdXRvZ3B0LWRiLWF1dG9ncHQtZGI="
    finding = only(examined(f"integrations.encryption_key={key}"), "encryption key")
    assert finding.level == "fail"
    assert key not in str(finding)


def test_a_key_that_reads_only_some_of_what_is_stored(
    examined: Examine, release_database: Callable[..., str]
) -> None:
    url = release_database("v0.7.2", seeded=True, ours=True)

    def keys() -> list[tuple[str, str]]:
        found = examined(f"integrations.encryption_key={ENCRYPTION_KEY}", url=with_schema(url))
        return [(each.level, each.text) for each in found["encryption key"]]

    damaged = (
        'of 6 texts tried in "IntegrationCredential" 1 cannot be decrypted: they were written with '
        "another key, or are damaged"
    )
    of_bots = damaged.replace("6 texts", "5 texts").replace("IntegrationCredential", "BotInstall")
    bots = ("warn", of_bots)
    assert keys() == [("warn", damaged), bots], "the recorded rows have one of each"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            'UPDATE platform."User" SET "integrations" = %s WHERE "id" = \'alice\'',
            (Fernet(ENCRYPTION_KEY).encrypt(b"{}").decode(),),
        )
        connection.execute('UPDATE platform."IntegrationCredential" SET "encryptedPayload" = \'x\'')
    unreadable = ("fail", damaged.replace(" 1 cannot", " 6 cannot"))
    assert keys() == [unreadable, bots], "users' are readable"


def test_more_connections_than_the_server_allows(examined: Examine) -> None:
    finding = only(examined("database.pool_size=200"), "connections")
    assert finding.level == "warn", "a start shrinks the pools"
    assert "max_connections" in finding.remedy


def test_a_port_that_another_holds(examined: Examine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        finding = only(examined(f"api.port={holder.getsockname()[1]}"), "address")
    assert finding.level == "fail"
    assert f"pid {os.getpid()}" in finding.text


def test_the_admin_listener_s_port_and_tokens(examined: Examine, tmp_path: Path) -> None:
    on = ("admin.enabled=true", f"admin.port={free_port()}")
    assert "admin listener" not in examined()
    assert [one.level for one in examined(*on)["admin listener"]] == ["ok"]
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        taken = only(examined("admin.enabled=true", f"admin.port={port}"), "admin listener")
    assert taken.level == "fail"
    assert f"pid {os.getpid()}" in taken.text
    assert "admin.port" in taken.remedy
    foreign = examined(*on, "admin.host=192.0.2.1", "admin.allowed_hosts=db.example")
    assert [one.level for one in foreign["admin listener"]] == ["warn", "fail"]
    assert "TLS" in foreign["admin listener"][0].remedy
    (tmp_path / "admin").mkdir()
    for name, mode in (("token", 0o600), ("read_token", 0o604)):
        (tmp_path / "admin" / name).write_text("x" * 40)
        (tmp_path / "admin" / name).chmod(mode)
    open_to_others, free = examined(*on)["admin listener"]
    assert (open_to_others.level, free.level) == ("fail", "ok")
    assert "read_token may be read by others" in open_to_others.text


def test_check_says_where_the_admin_listener_would_be(database_url: str, tmp_path: Path) -> None:
    def told(*, host: str = "127.0.0.1", port: int = 8905) -> str:
        settings = Settings(
            state_directory=tmp_path,
            runtime_directory=tmp_path / "run",
            database=DatabaseSettings(url=Secret(with_schema(database_url))),
            api=ApiSettings(port=free_port()),
            admin=AdminSettings(enabled=True, host=host, port=port),
        )
        return next(line for line in check_everything(settings) if "admin listener" in line)

    assert told().endswith("http://127.0.0.1:8905")
    assert "cannot listen at 192.0.2.1" in told(host="192.0.2.1")


def test_an_address_that_is_none_of_this_machine_s(examined: Examine) -> None:
    finding = only(examined("api.host=192.0.2.1", "api.trusted_network=true"), "address")
    assert finding.level == "fail"
    assert "cannot listen at 192.0.2.1" in finding.text
    assert "`ip address` shows" in finding.text


def test_a_faulty_program_file(examined: Examine, tmp_path: Path) -> None:
    directory = tmp_path / "programs.d"
    directory.mkdir()
    (directory / "x.conf").write_text("[program:api]\ncommand=/bin/true\n")
    found = examined(f"supervision.programs_directory={directory}")
    assert "x.conf is left out" in only(found, "programs").text


def test_a_directory_that_no_start_could_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "_PLACES", ())  # a unit would make them
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        file = directory / "autogpt-db.toml"
        file.touch(0o644)
        given = (f"database.url={with_schema(database_url)}", f"runtime_directory={name}/run")
        situation = Situation(Sources(file, given))
        assert situation.target.embedded is False

        def refused() -> str:
            with pytest.raises(ConfigurationError) as checked:
                refuse_unusable(situation.settings, embedded=False)
            (finding,) = (one for one in host.permissions(situation) if one.level == "fail")
            assert f"{finding.text}. {finding.remedy}" == str(checked.value)
            return finding.text

        directory.chmod(0o555)
        text = refused() if os.geteuid() else as_nobody(refused)
        directory.chmod(0o755)
    assert text == f"runtime_directory: {name}/run cannot be used: Permission denied ({name}/run)"


def test_secrets_that_others_may_read(
    examined: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "autogpt-db.toml").chmod(0o644)
    finding = only(examined(content='[api]\ntoken = "s3cr3t"\n'), "credentials")
    assert finding.level == "fail"
    assert "everybody may read" in finding.text
    assert "s3cr3t" not in str(finding)
    (tmp_path / "autogpt-db.toml").chmod(0o600)
    assert "command line" in only(examined("api.token=s3cr3t"), "credentials").text

    directory = tmp_path / "credentials"
    directory.mkdir(0o700)
    monkeypatch.setattr(host, "SYSTEM_CREDENTIALS", directory)
    for name, mode, content in (
        ("api_token", 0o644, "x"),
        ("api_tokn", 0o600, "x"),
        ("redis_password", 0o600, ""),
    ):
        (directory / name).write_text(content)
        (directory / name).chmod(mode)
    texts = [f"{f.level} {f.text} {f.remedy}" for f in examined()["credentials"]]
    assert any(text.startswith("warn") and "0644" in text for text in texts)
    assert any(text.startswith("warn") and "Did you mean api_token?" in text for text in texts)
    assert any(text.startswith("fail") and "redis_password is empty" in text for text in texts)


def test_a_command_in_root_s_shell_sees_the_service_s_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "api_token").write_text("s3cr3t\n")
    monkeypatch.setattr(settings_sources, "SYSTEM_CREDENTIALS", tmp_path)
    loaded = settings_sources.load_settings(environment={})
    assert loaded.settings.api.token is not None
    assert loaded.origins["api.token"] == "credential api_token"
    # Another configuration is another service's.
    file = tmp_path / "other.toml"
    file.touch()
    assert settings_sources.load_settings(file=file, environment={}).origins == {}


def test_a_directory_that_everybody_may_write_to(examined: Examine, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    finding = only(examined(), "permissions")
    assert finding.level == "fail"
    assert finding.remedy == f"chmod o-w {tmp_path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who gives it away")
def test_data_that_anything_may_read(examined: Examine, tmp_path: Path) -> None:
    data = tmp_path / "postgresql" / "data"
    data.mkdir(parents=True)
    os.chown(data, pwd.getpwnam("nobody").pw_uid, -1)
    (finding,) = examined()["permissions"]
    assert finding.level == "warn"
    assert finding.text.startswith(f"{data} belongs to nobody")
    assert f"chown -R autogpt-db: {data}" in finding.remedy


def test_a_disk_that_is_full_or_nearly(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs("/")
    for share, level in ((0.001, "fail"), (0.05, "warn")):
        blocks = 10 * 1024**3 // real.f_frsize

        def filled(_path: object, share: float = share, blocks: int = blocks) -> os.statvfs_result:
            values = list(real)
            values[2], values[4] = blocks, int(blocks * share)
            return os.statvfs_result(values)

        monkeypatch.setattr(os, "statvfs", filled)
        assert only(examined(), "disk space").level == level


def test_a_clock_that_is_off(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    finding = only(examined(), "clock")
    assert "3600 s ahead" in finding.text or "3599 s ahead" in finding.text


def test_what_a_restore_has_kept_is_named(examined: Examine, tmp_path: Path) -> None:
    kept = tmp_path / "postgresql" / "data.before-restore-20260101T000000Z"
    kept.mkdir(parents=True)
    assert str(kept) in only(examined(), "kept data").text
    shutil.rmtree(kept)
    assert "kept data" not in examined()


def test_a_check_that_fails_itself_does_not_stop_the_others(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_situation: object) -> Iterator[Finding]:
        yield from ()
        raise RuntimeError("as it happens")

    monkeypatch.setattr(checks, "_CHECKS", (broken, *checks._CHECKS))
    found = examined()
    assert found["broken"][0].level == "fail"
    assert "as it happens" in found["broken"][0].text
    assert "schema" in found


def test_there_is_a_line_for_whatever_can_be_the_matter(examined: Examine) -> None:
    found = examined()
    assert {trouble.check for trouble in TROUBLES} <= found.keys()
    lines = ("database", "pooler", "encoding", "session settings", "writes", "rights", "schema")
    for line in (*lines, "connections"):
        assert [finding.level for finding in found[line]] == ["ok"], found[line]

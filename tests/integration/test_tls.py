"""Encrypted connections to a real server: nothing is connected to with less than was asked for."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import socketserver
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from autogpt_db.database import hosts
from autogpt_db.database.causes import lasts
from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.database.reasons import raw_reason
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import DatabaseSettings, Secret, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres_server import PostgresServer

_SSL_REQUEST = bytes.fromhex("04d2162f")


class Authority:
    """Something that signs a server's certificate."""

    def __init__(self, directory: Path, name: str) -> None:
        self.file = directory / f"{name}.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        signed = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        self.file.write_bytes(
            signed.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def certify(self, address: str) -> tuple[bytes, bytes]:
        """Return a certificate for an address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        signed = self._builder(subject, key).add_extension(names, critical=False)
        return (
            signed.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )


class TlsEntrance(socketserver.ThreadingTCPServer):
    """Offers TLS before a server that has none, as PostgreSQL does: asked first, in the clear."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, certificate: Path, key: Path, socket_path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.socket_path = socket_path


class _Connection(socketserver.BaseRequestHandler):
    server: TlsEntrance

    def handle(self) -> None:
        if self.request.recv(8, socket.MSG_WAITALL)[4:] != _SSL_REQUEST:
            return  # in the clear: the connection ends
        self.request.sendall(b"S")
        try:
            with (
                self.server.context.wrap_socket(self.request, server_side=True) as client,
                socket.socket(socket.AF_UNIX) as server,
            ):
                server.connect(self.server.socket_path)
                onward = threading.Thread(target=_pipe, args=(client, server), daemon=True)
                onward.start()
                _pipe(server, client)
                onward.join()
        except OSError:
            return  # the client trusts nobody here


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    """Return who signed the server's certificate."""
    return Authority(directory, "authority")


@pytest.fixture(scope="module")
def port(directory: Path, authority: Authority, postgres_server: PostgresServer) -> Iterator[int]:
    """Yield where the server is reached by TLS alone."""
    files = directory / "server.crt", directory / "server.key"
    for path, content in zip(files, authority.certify("127.0.0.1"), strict=True):
        path.write_bytes(content)
    place = str(postgres_server.directory / ".s.PGSQL.5432")
    with TlsEntrance(*files, place) as entrance:
        threading.Thread(target=entrance.serve_forever, daemon=True).start()
        yield entrance.server_address[1]
        entrance.shutdown()


def connect(port: int, query: str, host: str = "127.0.0.1") -> bool:
    """Connect as main does, and tell whether it is encrypted."""
    url = f"postgresql://postgres@{host}:{port}/postgres?schema=platform&{query}"
    settings = Settings(database=DatabaseSettings(url=Secret(url), startup_timeout=1.0))
    with DatabaseManager(settings).connect() as connection:
        return connection.pgconn.ssl_in_use


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require",
        "sslaccept=accept_invalid_certs",
        "sslaccept=accept_invalid_certs&sslcert={other}&sslmode=require",
        "sslaccept=strict&sslcert={own}",
        "sslcert={own}",
        "sslmode=verify-full&sslrootcert={own}",
    ],
)
def test_who_signed_it_is_trusted(
    authority: Authority, directory: Path, port: int, query: str
) -> None:
    other = Authority(directory, "other")
    assert connect(port, query.format(own=authority.file, other=other.file))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("sslaccept=strict", "certificate verify failed"),
        ("sslaccept=strict&sslcert={other}", "certificate verify failed"),
        ("sslcert={other}", "certificate verify failed"),
        ("sslmode=verify-full&sslrootcert=system", "certificate verify failed"),
        ("sslmode=require&sslrootcert={other}", "certificate verify failed"),
    ],
)
def test_a_stranger_is_refused_for_good(
    authority: Authority, directory: Path, port: int, query: str, reason: str
) -> None:
    other = Authority(directory, "other")
    with pytest.raises(ConfigurationError, match=reason):
        connect(port, query.format(own=authority.file, other=other.file))


def test_a_certificate_for_another_host_is_refused(authority: Authority, port: int) -> None:
    with pytest.raises(ConfigurationError, match="does not match host name"):
        connect(port, f"sslaccept=strict&sslcert={authority.file}", host="localhost")


@pytest.mark.parametrize("addresses", ["127.0.0.1,::1", "::1,127.0.0.1"])
def test_of_this_machine_s_addresses_the_one_that_answers_is_told_of(
    authority: Authority, port: int, addresses: str
) -> None:
    place = f"host=localhost,localhost hostaddr={addresses} port={port} user=postgres"
    with pytest.raises(psycopg.OperationalError) as failed:
        hosts.connect(f"{place} sslmode=verify-full sslrootcert={authority.file}")
    assert "does not match host name" in raw_reason(failed.value)
    assert lasts(failed.value)

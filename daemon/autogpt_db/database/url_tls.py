"""How a connection is encrypted and whom it trusts: libpq's words, and Prisma's for the same.

Prisma has a word of its own for whether certificates are verified (`sslaccept`), and calls the
server's authority what libpq calls the client's certificate (`sslcert`). Each is translated, or
refused: nothing is connected to with less than its URL asks for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError
from autogpt_db.settings.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Mapping

PRISMA_WORDS = frozenset({"sslaccept", "sslidentity"})
"""Prisma's parameters of TLS that libpq does not know."""

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's `sslmode`; Prisma knows three of them."""

# Where distributions keep the authorities that they trust: the first is Debian's and Ubuntu's.
_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)
_CONTRADICTIONS = {
    "strict": ("disable", "allow"),
    "accept_invalid_certs": ("verify-ca", "verify-full"),
}
_FILES = {"sslrootcert": "authorities", "sslcert": "client's certificate", "sslkey": "client's key"}


def translate_tls(
    parameters: Mapping[str, str], prisma: Mapping[str, str], name: str
) -> dict[str, str]:
    """Return libpq's parameters with what Prisma's words of TLS ask for.

    Args:
        parameters: libpq's, as they were given.
        prisma: Prisma's.
        name: What error messages call the setting.

    Raises:
        ConfigurationError: Something cannot be had of libpq, or contradicts something else.
    """
    _refuse_what_libpq_lacks(parameters, prisma, name)
    accept, mode = prisma.get("sslaccept"), parameters.get("sslmode")
    values = dict(parameters)
    if "sslcert" in values and "sslkey" not in values:
        # A client's certificate is of no use without its key: this is Prisma's word.
        values.setdefault("sslrootcert", values.pop("sslcert"))
        if accept is None and mode in {None, "allow", "prefer", "require"}:
            values["sslmode"] = "verify-ca"
    if accept == "strict":
        if mode not in {"verify-ca", "verify-full"}:
            values["sslmode"] = "verify-full"
        values.setdefault("sslrootcert", "system")
    elif accept == "accept_invalid_certs":
        # libpq verifies with sslmode=require, too, as soon as it has authorities to do it by.
        values.pop("sslrootcert", None)
    return values


def _refuse_what_libpq_lacks(
    parameters: Mapping[str, str], prisma: Mapping[str, str], name: str
) -> None:
    mode, accept = parameters.get("sslmode"), prisma.get("sslaccept")
    wrong = None
    if "sslidentity" in prisma:
        wrong = (
            "sslidentity names a PKCS#12 file, which PostgreSQL's library cannot read. Split it "
            "(openssl pkcs12 -in FILE -nokeys -out client.crt; openssl pkcs12 -in FILE -nocerts "
            "-out client.key) and give sslcert=…/client.crt and sslkey=…/client.key instead"
        )
    elif mode is not None and mode not in MODES:
        wrong = f"sslmode must be one of {', '.join(MODES)}"
    elif accept not in {None, *_CONTRADICTIONS}:
        wrong = f"sslaccept must be {' or '.join(_CONTRADICTIONS)}"
    elif accept is not None and mode in _CONTRADICTIONS[accept]:
        wrong = f"sslaccept={accept} contradicts sslmode={mode}; leave one of them out"
    elif "sslpassword" in parameters and "sslkey" not in parameters:
        wrong = "sslpassword is for the file that sslkey names; name it, or leave sslpassword out"
    if wrong:
        raise ConfigurationError(f"{name}: its parameter {wrong}.")


def with_authorities(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters with the distribution's own bundle for `sslrootcert=system`.

    The library inside the driver's package looks for the system's authorities where no
    distribution has them.
    """
    if parameters.get("sslrootcert") != "system":
        return dict(parameters)
    for bundle in _BUNDLES:
        if bundle.is_file():
            return {**parameters, "sslmode": "verify-full", "sslrootcert": str(bundle)}
    return dict(parameters)


def check_tls_files(parameters: Mapping[str, str], name: str) -> None:
    """Refuse files of TLS that this account cannot read, and verifying without authorities.

    Args:
        parameters: libpq's.
        name: What error messages call the setting.

    Raises:
        ConfigurationError: Names the file and what to do.
    """
    if parameters.get("sslrootcert") == "system":
        raise ConfigurationError(
            f"{name}: sslrootcert=system, but this machine has no bundle of authorities: install "
            "ca-certificates, or name a file with sslrootcert=/path/to/authorities.pem."
        )
    for word, what in _FILES.items():
        path = parameters.get(word)
        if path and not os.access(path, os.R_OK):
            closed = is_there(Path(path))
            there = (
                "cannot be read by this account: put it where that may read it, such as "
                "/etc/autogpt-db (home directories are hidden from the service)"
                if closed
                else "does not exist"
            )
            raise ConfigurationError(
                f"{name}: {path}, which its parameter {word} names (the {what}), {there}."
            )
    mode = parameters.get("sslmode", "")
    usual = Path("~/.postgresql/root.crt").expanduser()
    if mode.startswith("verify-") and "sslrootcert" not in parameters and not is_there(usual):
        raise ConfigurationError(
            f"{name}: sslmode={mode} verifies the server's certificate, but nothing says by whose "
            "authority: add sslrootcert=/path/to/authorities.pem (a managed service offers the "
            "file), or sslrootcert=system with sslmode=verify-full for those that this machine "
            "trusts."
        )

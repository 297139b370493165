"""A ClickHouse server of one's own to start, stop, kill and start again, and certificates for it.

Everything on loopback, on ports that the system chooses; a restart keeps them. The server ends
when this process does, however it does.
"""

from __future__ import annotations

import ipaddress
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipelines.clickhouse.server.config import ClickHouseConfig

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ("-m", "scripts.local_clickhouse")


@dataclass
class Server:
    """`scripts/local_clickhouse.py up --foreground` on a folder; `ready` is its ready.json."""

    folder: Path
    certificate: Certificate | None = None
    user: str = "loader"
    ready: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, or start it again on the same ports, and wait until it answers."""
        options = {
            "--dir": self.folder,
            "--user": self.user,
            "--port": self.ready.get("port", 0),
            "--http-port": self.ready.get("http_port", 0),
            "--secure-port": self.ready.get("secure_port", 0),
            "--https-port": self.ready.get("https_port", 0),
        }
        if self.certificate:
            options |= {"--tls-cert": self.certificate.cert, "--tls-key": self.certificate.key}
        pairs = [str(part) for option in options.items() for part in option]
        self._process = subprocess.Popen(
            [sys.executable, *SCRIPT, "up", "--foreground", "--stop-with-stdin", *pairs],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ClickHouse "), f"the server did not start: {line!r}"
        self.ready = json.loads((self.folder / "ready.json").read_text())

    def stop(self) -> int:
        """SIGTERM, and wait; the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL, and wait; the exit status."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with process:
            process.send_signal(number)
            return process.wait(60)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.stop() == 0

    @property
    def is_running(self) -> bool:
        """Whether it was started and neither stopped nor ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def password(self) -> str:
        """The generated password."""
        return (self.folder / "password").read_text().strip()

    def config(self, **changes: Any) -> ClickHouseConfig:
        """How to reach it: by its TLS ports with secure=True, else by its plain ones."""
        native, http = (
            ("secure_port", "https_port") if changes.get("secure") else ("port", "http_port")
        )
        values: dict[str, Any] = {
            "host": "localhost",
            "port": self.ready[native],
            "http_port": self.ready[http],
            "database": "default",
            "user": self.user,
            "password": self.password,
        }
        return ClickHouseConfig(**(values | changes))


@dataclass(frozen=True)
class Certificate:
    """A server's certificate chain and its key, as PEM files."""

    cert: Path
    key: Path


@dataclass
class Authority:
    """A certificate authority that exists for one test run; `ca` is its own certificate."""

    folder: Path
    name: str = "Test CA"

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        built = self._builder(self._subject, self._key, timedelta(days=1))
        signed = (
            built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str = "localhost",
        address: str | None = "127.0.0.1",
        lasts: timedelta = timedelta(days=1),
    ) -> Certificate:
        """A server certificate for a host name; with a negative `lasts` it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if address:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = (
            self._builder(subject, key, lasts)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = f"{name}-{signed.serial_number:x}"
        certificate = Certificate(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        certificate.cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        certificate.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        public = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + lasts - timedelta(days=2))
            .not_valid_after(now + lasts)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False
            )
        )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

"""A certificate authority of a test's own, and a certificate for servers on this machine."""

import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "push.example.com", "other.example.com", "mail.example.com")


class Authority:
    """Writes `ca.pem`, `server.pem` and `server.key` into the folder."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.certificate, self.key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
        ca_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        names = [x509.DNSName(name) for name in NAMES] + [x509.IPAddress(ip_address("127.0.0.1"))]
        ca = _signed("Tidings test CA", "Tidings test CA", ca_key, ca_key, x509.BasicConstraints(True, 0))
        server = _signed("Tidings test CA", "localhost", ca_key, key, x509.SubjectAlternativeName(names))
        self.ca.write_bytes(ca.public_bytes(Encoding.PEM))
        self.certificate.write_bytes(server.public_bytes(Encoding.PEM))
        self.key.write_bytes(pem(key).encode())

    def client(self) -> ssl.SSLContext:
        """Trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.ca))

    def server(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def pem(key: EllipticCurvePrivateKey) -> str:
    """The key as providers hand it out."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _signed(
    issuer: str,
    subject: str,
    issuer_key: EllipticCurvePrivateKey,
    key: EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=True)
        .sign(issuer_key, SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

"""Message encryption for Web Push (RFC 8291), by the content coding aes128gcm (RFC 8188) in one record."""

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD = 4_096
PLAIN_BYTES = RECORD - 16 - 1 - 86
"""What fits: a push service need not take more than 4,096 bytes (RFC 8291 §4), header, padding and tag included."""
SALT_BYTES, AUTH_BYTES, POINT_BYTES = 16, 16, 65


def encrypted(
    plain: bytes, p256dh: bytes, auth: bytes, salt: bytes, sender: EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body of the request. `salt` is 16 fresh random bytes; `sender` is drawn anew unless a test names it.

    Raises ValueError when `p256dh` is no point of P-256.
    """
    receiver = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), p256dh)
    sender = sender or generate_private_key(SECP256R1())
    public = public_bytes(sender)
    agreed = sender.exchange(ECDH(), receiver)
    secret = _derived(agreed, auth, b"WebPush: info\0" + p256dh + public, 32)
    key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD.to_bytes(4) + bytes([len(public)]) + public
    # 2 marks the last record.
    return header + AESGCM(key).encrypt(nonce, plain + b"\2", None)


def public_bytes(key: EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point: 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def is_point(octets: bytes) -> bool:
    """Whether these are an uncompressed point of P-256."""
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), octets)
    except ValueError:
        return False
    return len(octets) == POINT_BYTES


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)

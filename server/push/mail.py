"""E-mail: plain text over SMTP (RFC 5321), encrypted unless the server is on this machine."""

import hashlib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from persistence.push.contract import Delivery, ProviderName
from protocol.pushes import Content
from server.push.provider import Misconfigured, Outcome, Refused, Retry, Sent

TIMEOUT_S = 15.0
SUBJECT = 200
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OF_THIS_SERVER = frozenset((530, 534, 535, 538))
"""It wants us to sign in, or otherwise, or encrypted (RFC 4954 §6)."""


class Mail:
    """One connection for each mail. `url` as in the setting `push.smtp_url`."""

    name: ProviderName = "email"

    def __init__(self, url: str, sender: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._host, self._port = parts.hostname or "", parts.port
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._use_tls = parts.scheme == "smtps"
        # None: if it can. True: it must.
        self._start_tls = False if self._use_tls else None if self._host in _LOOPBACK else True
        self._tls = tls

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It holds nothing."""

    def service(self, delivery: Delivery) -> str:
        return ""

    async def send(self, delivery: Delivery, content: Content) -> Outcome:
        try:
            mail = self._mail(delivery, content)
        except ValueError:
            return Refused("the address is none")
        try:
            await aiosmtplib.send(
                mail,
                hostname=self._host,
                port=self._port,
                username=self._user or None,
                password=self._password or None,
                timeout=TIMEOUT_S,
                use_tls=self._use_tls,
                start_tls=self._start_tls,
                tls_context=self._tls,
            )
        except (aiosmtplib.SMTPException, OSError) as fault:
            return _outcome(fault)
        return Sent()

    def _mail(self, delivery: Delivery, content: Content) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = Address(display_name="Tidings", addr_spec=self._sender)
        mail["To"] = Address(addr_spec=delivery.email)
        # A header is one line.
        mail["Subject"] = " ".join(content.title.split())[:SUBJECT]
        # The same for each attempt, so that who gets two sees one.
        name = hashlib.sha256(f"{delivery.user}/{delivery.key}".encode()).hexdigest()
        mail["Message-ID"] = f"<{name}@{self._sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(content.body or content.title)
        return mail


def _outcome(fault: Exception) -> Outcome:
    match fault:
        case aiosmtplib.SMTPRecipientsRefused():
            return _answered(fault.recipients[0].code)
        case aiosmtplib.SMTPNotSupported():
            return Misconfigured("the server knows no STARTTLS, or no way to sign in")
        case ssl.SSLCertVerificationError():
            return Misconfigured("the server's certificate is not trusted")
        case aiosmtplib.SMTPConnectError(__cause__=ssl.SSLCertVerificationError()):
            return Misconfigured("the server's certificate is not trusted")
        case aiosmtplib.SMTPAuthenticationError() if fault.code >= 500:
            return Misconfigured(str(fault.code))
        case aiosmtplib.SMTPSenderRefused() if fault.code >= 500 and fault.code not in _OF_THIS_SERVER:
            return Misconfigured(f"{fault.code} push.email_from")
        case aiosmtplib.SMTPResponseException():
            return _answered(fault.code)
    return Retry(f"no answer: {type(fault).__name__}")


def _answered(code: int) -> Outcome:
    if code in _OF_THIS_SERVER:
        return Misconfigured(str(code))
    if code >= 500:
        return Refused(str(code))
    # 421: it closes. Else it is this mailbox that is busy or full.
    return Retry(str(code), outage=code == 421)

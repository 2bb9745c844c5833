"""A stand-in of a mail server (RFC 5321), and of the mailboxes behind it."""

import asyncio
import email
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.server.push.authority import Authority
from tests.server.push.screens import Screens, Shown

USER, PASSWORD = "tidings", "pass:word"


class MailServer:
    """`recipients` and `data` answer RCPT and DATA before all else, in order. A mailbox shows a Message-ID once."""

    def __init__(self) -> None:
        self.screens = Screens()
        self.recipients: deque[str] = deque()
        self.data: deque[str] = deque()
        self.mails: list[Any] = []
        self.encrypted: list[bool] = []
        self.port = 0

    @asynccontextmanager
    async def serving(self, authority: Authority | None = None, *, auth: bool = False) -> AsyncIterator["MailServer"]:
        """With an authority there is STARTTLS; with `auth` one has to sign in."""

        def session() -> SMTP:
            return SMTP(
                self,
                hostname="mail.example.com",
                tls_context=authority.server() if authority else None,
                authenticator=_authenticated,
                auth_required=auth,
                auth_require_tls=authority is not None,
            )

        server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.recipients:
            return self.recipients.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - as aiosmtpd calls it
        if self.data:
            return self.data.popleft()
        mail = email.message_from_bytes(envelope.content, policy=default)
        self.mails.append(mail)
        self.encrypted.append(session.ssl is not None)
        for mailbox in envelope.rcpt_tos:
            shown = Shown(mail["Subject"], mail.get_content().strip(), None, {})
            self.screens.show(mailbox, mail["Message-ID"], shown)
        return "250 OK"


def _authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)

"""Mail against a server that speaks SMTP."""

from collections.abc import AsyncIterator

import pytest

from protocol.pushes import Content
from server.push.mail import Mail
from server.push.provider import Misconfigured, Outcome, Refused, Retry, Sent
from tests.server.push.authority import Authority
from tests.server.push.deliveries import HELLO, a_delivery
from tests.server.push.mail_server import PASSWORD, USER, MailServer
from tests.server.push.screens import Shown

FROM = "tidings@example.com"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer().serving() as server:
        yield server


async def sent(server: MailServer, content: Content = HELLO, **more: object) -> Outcome:
    return await Mail(f"smtp://127.0.0.1:{server.port}", FROM).send(a_delivery(None, **more), content)


async def test_a_mailbox_shows_a_push_once_however_often_it_is_sent(server: MailServer) -> None:
    assert await sent(server) == Sent()
    assert await sent(server) == Sent()
    assert server.screens.on("ada@example.com") == [Shown("Ada", "hello", None, {})]
    [mail, _] = server.mails
    assert (mail["From"].addresses[0].addr_spec, mail["Auto-Submitted"]) == (FROM, "auto-generated")


async def test_a_title_with_line_breaks_adds_no_header(server: MailServer) -> None:
    assert await sent(server, Content("Ada\r\nBcc: eve@example.com", "", "", 0)) == Sent()
    assert server.mails[0]["Subject"] == "Ada Bcc: eve@example.com"
    assert server.mails[0]["Bcc"] is None


@pytest.mark.parametrize("address", ["ada", "a\r\nda@example.com", "ada@example.com, eve@example.com", "a b@c"])
async def test_what_is_no_address_gets_no_mail(server: MailServer, address: str) -> None:
    assert await sent(server, email=address) == Refused("the address is none")
    assert server.mails == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 no such user", Refused("550")),
        ("552 full", Refused("552")),
        ("450 busy", Retry("450", outage=False)),
        ("452 full for now", Retry("452", outage=False)),
        ("421 closing", Retry("421")),
        ("530 sign in first", Misconfigured("530")),
    ],
)
async def test_every_class_of_refusal_has_its_outcome(server: MailServer, answer: str, outcome: Outcome) -> None:
    server.recipients.append(answer)
    assert await sent(server) == outcome
    if not answer.startswith("530"):
        server.data.append(answer)
        assert await sent(server) == outcome


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    outcome = await Mail("smtp://127.0.0.1:1", FROM).send(a_delivery(None), HELLO)
    assert outcome == Retry("no answer: SMTPConnectError")


async def test_mail_is_encrypted_where_the_server_can_and_the_password_is_checked(authority: Authority) -> None:
    async with MailServer().serving(authority, auth=True) as server:
        right = f"smtp://{USER}:{PASSWORD.replace(':', '%3A')}@127.0.0.1:{server.port}"
        assert await Mail(right, FROM, authority.client()).send(a_delivery(None), HELLO) == Sent()
        assert server.encrypted == [True]
        wrong = f"smtp://{USER}:other@127.0.0.1:{server.port}"
        assert await Mail(wrong, FROM, authority.client()).send(a_delivery(None), HELLO) == Misconfigured("535")
        none = f"smtp://127.0.0.1:{server.port}"
        assert await Mail(none, FROM, authority.client()).send(a_delivery(None), HELLO) == Misconfigured("530")

"""What a line does, and what is shown of what happens."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Literal

from server.chat.directory import Directory
from server.chat.relations import HELP as RELATIONS_HELP
from server.chat.relations import Relations
from tidings_client import (
    Client,
    Conversation,
    ConversationState,
    Message,
    Notification,
    Offline,
    Online,
    Presence,
    Read,
    Receipt,
    Refused,
    Snapshot,
    TidingsError,
    Typing,
)

WATCHED = 200
"""The most that a server takes."""

HELP = f"""\
/open NAME          talk to somebody
/group NAME NAME …  talk to several
/list               your conversations; /1, /2, … goes to one
/requests           who wants to talk to you; /1, /2, … shows one
/accept, /decline   let them, or let them not, in the conversation you are in; writing accepts too
/history            what was said here
{RELATIONS_HELP}
/notifications      what others did; they are seen then
/quit               leave
anything else is sent to the conversation you are in"""


class Chat:
    """One person at one terminal. `say` prints a line."""

    def __init__(self, client: Client, directory: Directory, relations: Relations, say: Callable[[str], None]) -> None:
        self._client = client
        self._directory = directory
        self._relations = relations
        self._say = say
        self._here: str | None = None
        self._listed: list[str] = []
        self._titles: dict[str, str] = {}
        self._others: dict[str, list[str]] = {}

    async def line(self, line: str) -> bool:
        """Do what one line says; False to leave."""
        word, _, rest = line.strip().partition(" ")
        try:
            match word:
                case "":
                    pass
                case "/quit":
                    return False
                case "/help":
                    self._say(HELP)
                case "/open":
                    await self._open(rest.split())
                case "/group":
                    await self._open(rest.split(), group=True)
                case "/list":
                    await self._list()
                case "/requests":
                    await self._list("requests")
                case "/accept" | "/decline":
                    await self._judge(word == "/accept")
                case "/history":
                    await self._history()
                case "/notifications":
                    await self._notifications()
                case _ if word[0] == "/" and word[1:].isdigit() and 0 < int(word[1:]) <= len(self._listed):
                    await self._enter(self._listed[int(word[1:]) - 1])
                case _ if word[0] == "/" and await self._relations.line(word, rest.strip()):
                    pass
                case _ if word[0] == "/":
                    self._say(f"there is no {word} here\n{HELP}")
                case _:
                    await self._send(line.strip())
        except Refused as refusal:
            self._say(f"! {refusal}")
        return True

    async def listen(self) -> None:
        """Show what happens until the client ends."""
        async for event in self._client.events():
            match event:
                case Message(text=str(text)) if event.sender != self._client.user:
                    await self._show(event.conversation, event.sender, event.at, text)
                case Typing(kind="text") if event.conversation == self._here:
                    self._say(f"  … {await self._directory.name(event.user)} is typing")
                case Receipt(read_c=int(read)) if event.conversation == self._here:
                    self._say(f"  ✓ {await self._directory.name(event.user)} has read up to {read}")
                case Notification(seen=False):
                    self._say(f"  * {event.text}")
                case Snapshot():
                    for conversation in event.conversations:
                        await self._title(conversation)
                case ConversationState():
                    await self._title(event.conversation)
                case Offline():
                    self._say("  (offline: trying again)")
                case Online():
                    self._say("  (online)")
                case Presence(state="online" | "idle" | "offline"):
                    await self._stands(event)
                case Read():
                    pass

    async def _show(self, conversation: str, sender: str, at: int, text: str) -> None:
        if conversation not in self._titles:
            shown = await self._client.get(conversation)
            await self._title(shown)
            if shown.folder == "requests":
                self._say(f"  {self._titles[conversation]} wants to talk to you: /accept, /decline, or answer")
        name = await self._directory.name(sender)
        if self._here is None:
            await self._enter(conversation)
        where = "" if conversation == self._here else f"[{self._titles[conversation]}] "
        self._say(f"{datetime.fromtimestamp(at / 1000):%H:%M} {where}{name}: {text}")
        if conversation == self._here:
            await self._client.read(conversation, self._client.heads[conversation])

    async def _title(self, conversation: Conversation) -> None:
        others = [member.user for member in conversation.members if member.user != self._client.user]
        names = [await self._directory.name(user) for user in others[:5]]
        self._others[conversation.id] = others[:WATCHED]
        self._titles[conversation.id] = conversation.title or ", ".join(names)

    async def _enter(self, conversation: str) -> None:
        self._here = conversation
        self._say(f"— you are talking to {self._titles.get(conversation, conversation)} —")
        await self._watch()

    async def _watch(self) -> None:
        """Whoever one talks to is watched, and sees that one is here."""
        if self._here is None:
            return
        with suppress(TidingsError):
            for presence in await self._client.watch(self._others.get(self._here, []), conversation=self._here):
                if presence.state in ("online", "idle"):
                    await self._stands(presence)

    async def _stands(self, presence: Presence) -> None:
        here = " and looks at this chat" if presence.conversation and presence.conversation == self._here else ""
        mark = "●" if presence.state == "online" else "○"
        self._say(f"  {mark} {await self._directory.name(presence.user)} is {presence.state}{here}")

    async def _open(self, names: list[str], *, group: bool = False) -> None:
        users = []
        for name in names:
            if (user := await self._directory.user(name)) is None:
                self._say(f"! there is no {name!r} here")
                return
            users.append(user)
        if not users:
            self._say("! name somebody")
            return
        conversation = await (self._client.create(users) if group else self._client.open(users[0]))
        await self._title(conversation)
        await self._enter(conversation.id)

    async def _list(self, folder: Literal["inbox", "requests"] = "inbox") -> None:
        page = await self._client.conversations(folder)
        self._listed = [conversation.id for conversation in page.items]
        for number, conversation in enumerate(page.items, 1):
            await self._title(conversation)
            unread = f"  ({conversation.unread} unread)" if conversation.unread else ""
            self._say(f"/{number}  {self._titles[conversation.id]}{unread}")
        if not page.items:
            self._say("nothing yet: /open NAME" if folder == "inbox" else "no requests")

    async def _judge(self, accepts: bool) -> None:
        """Of the request one is in."""
        if self._here is None:
            self._say("! you are in no conversation: /requests")
        elif accepts:
            await self._client.accept(self._here)
            self._say("accepted: they see now what you have read")
        else:
            await self._client.decline(self._here)
            self._here = None
            self._say("declined: nobody is told")

    async def _notifications(self) -> None:
        page = await self._client.notifications()
        for one in page.items:
            mark = " " if one.seen else "*"
            self._say(f"{datetime.fromtimestamp(one.updated_at / 1000):%H:%M} {mark} {one.text}")
        if page.items:
            await self._client.see(page.items[0].updated_at)
        else:
            self._say("no notifications")

    async def _history(self) -> None:
        if self._here is None:
            self._say("! you are in no conversation: /open NAME or /list")
            return
        for event in (await self._client.history(self._here)).events:
            if isinstance(event, Message) and event.text:
                name = await self._directory.name(event.sender)
                self._say(f"{datetime.fromtimestamp(event.at / 1000):%H:%M} {name}: {event.text}")

    async def _send(self, text: str) -> None:
        if self._here is None:
            self._say("! you are in no conversation: /open NAME or /list")
            return
        await self._client.send(self._here, text)

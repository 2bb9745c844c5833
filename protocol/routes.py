"""The HTTP interface as one table: from it the server binds its handlers and the OpenAPI document is written.

A twin is a route that carries an op of the socket: its body, query and path are the fields of the op, taken from its
struct, and its answer is the op's `ok`. So nothing is said twice.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct

from protocol.conversations import Conversation
from protocol.counts import PostCounts
from protocol.devices import ApnsDevice, DeviceRegistered, Devices, FcmDevice, WebDevice
from protocol.engagement import ENGAGEMENT_ROUTES
from protocol.graph import GRAPH_ROUTES
from protocol.notifications import Notifications
from protocol.people import (
    Credentials,
    Logins,
    MyProfile,
    Profile,
    ProfilePatch,
    RefreshLogin,
    SignIn,
    SignUp,
    SocketRoute,
)
from protocol.posting import POST_ROUTES
from protocol.posts import Posts
from protocol.preferences import Preferences
from protocol.replies import Conversations, Done, History, Opened, Receipts, Sent, SyncPage, Watched, Welcome
from protocol.requests import (
    AcceptConversation,
    Background,
    ChangePreferences,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    GetConversation,
    GetFeed,
    GetHistory,
    GetReceipts,
    Hello,
    ListConversations,
    ListNotifications,
    MarkRead,
    OpenConversation,
    ReactToStory,
    Request,
    SeeNotifications,
    SeeStory,
    SendMessage,
    SetPresence,
    StoryTray,
    Sync,
    WatchPosts,
    WatchPresence,
)
from protocol.route import ById, ByUsername, Method, Route
from protocol.stories import STORY_ROUTES
from protocol.trays import Tray
from protocol.uploads import UPLOAD_ROUTES

ANSWERS: Mapping[type[Request], type[Struct]] = {
    Hello: Welcome,
    Sync: SyncPage,
    Background: Done,
    OpenConversation: Opened,
    CreateConversation: Opened,
    GetConversation: Conversation,
    ListConversations: Conversations,
    ChangeSettings: Done,
    AcceptConversation: Done,
    DeclineConversation: Done,
    GetReceipts: Receipts,
    SendMessage: Sent,
    GetHistory: History,
    MarkRead: Done,
    ListNotifications: Notifications,
    SeeNotifications: Done,
    ChangePreferences: Preferences,
    GetFeed: Posts,
    WatchPresence: Watched,
    SetPresence: Done,
    WatchPosts: PostCounts,
    StoryTray: Tray,
    SeeStory: Done,
    ReactToStory: Sent,
}
"""The `ok` of every op that is answered."""


class Readiness(Struct, frozen=True, gc=False):
    """The node does its job."""

    ready: bool = True


class Document(Struct, frozen=True, gc=False):
    """A description of this interface for machines."""


def _part(op: type[Request], name: str, left_out: frozenset[str]) -> type[Struct]:
    """The fields of an op without those that stand elsewhere."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(op):
        if field.name not in left_out:
            fields.append(
                (field.name, field.type) if field.default is NODEFAULT else (field.name, field.type, field.default)
            )
    # What cannot be said of one field alone is checked of the part as of the op.
    checked = {"__post_init__": check} if (check := getattr(op, "__post_init__", None)) else {}
    return msgspec.defstruct(name, fields, frozen=True, kw_only=True, module=__name__, namespace=checked)


def _twin(method: Method, path: str, summary: str, *ops: type[Request], **more: Any) -> Route:
    """A route for these ops, which differ in what their bodies need; `{id}` of the path is their `conversation`."""
    placed = "{id}" in path
    elsewhere = frozenset(("id", "conversation")) if placed else frozenset(("id",))
    asking = method == "GET"
    fields = tuple(_part(op, op.__name__ + ("Query" if asking else "Body"), elsewhere) for op in ops)
    return Route(
        name=str(ops[-1].__struct_config__.tag),
        method=method,
        path=path,
        summary=summary,
        answer=ANSWERS[ops[0]],
        bodies=() if asking or not fields[0].__struct_fields__ else fields,
        query=fields[0] if asking and fields[0].__struct_fields__ else None,
        place=ById if placed else None,
        ops=ops,
        **more,
    )


_ONE = "/v1/conversations/{id}"

ROUTES: tuple[Route, ...] = (
    # A retry of a sign-up whose answer was lost is refused by the name, which is its key: signing in then succeeds.
    # It takes no cid: there is no user yet whose cid it could be.
    Route(
        name="account.create",
        method="POST",
        path="/v1/accounts",
        summary="Sign up; conflict_state: the username is taken, by an earlier try of the same sign-up perhaps",
        answer=Credentials,
        status=201,
        bodies=(SignUp,),
        open=True,
        refusals=("conflict_state",),
    ),
    Route(
        name="login.create",
        method="POST",
        path="/v1/logins",
        summary="Sign in; unauthenticated: whichever of the two was wrong",
        answer=Credentials,
        bodies=(SignIn,),
        open=True,
        refusals=("unauthenticated",),
    ),
    Route(
        name="login.refresh",
        method="POST",
        path="/v1/logins/refresh",
        summary="Exchange a refresh token for fresh tokens; unauthenticated: sign in again",
        answer=Credentials,
        bodies=(RefreshLogin,),
        open=True,
        refusals=("unauthenticated",),
    ),
    Route(name="login.list", method="GET", path="/v1/logins", summary="Where I am signed in", answer=Logins),
    Route(
        name="login.revoke_current",
        method="DELETE",
        path="/v1/logins/current",
        summary="Sign out here",
        answer=Done,
    ),
    Route(
        name="login.revoke",
        method="DELETE",
        path="/v1/logins/{id}",
        summary="Sign out elsewhere; what lives on that login is closed within a second",
        answer=Done,
        place=ById,
        refusals=("not_found",),
    ),
    Route(name="me.get", method="GET", path="/v1/me", summary="My profile", answer=MyProfile, cached=True),
    Route(
        name="me.change",
        method="PATCH",
        path="/v1/me",
        summary="Change my profile",
        answer=MyProfile,
        bodies=(ProfilePatch,),
        refusals=("too_large",),
    ),
    Route(
        name="user.get",
        method="GET",
        path="/v1/users/{id}",
        summary="Somebody's profile",
        answer=Profile,
        place=ById,
        cached=True,
        refusals=("not_found",),
    ),
    Route(
        name="user.get_by_username",
        method="GET",
        path="/v1/users/by-username/{name}",
        summary="Somebody's profile, by name in any case",
        answer=Profile,
        place=ByUsername,
        cached=True,
        refusals=("not_found",),
    ),
    *GRAPH_ROUTES,
    *POST_ROUTES,
    *UPLOAD_ROUTES,
    *ENGAGEMENT_ROUTES,
    *STORY_ROUTES,
    _twin("GET", "/v1/stories/tray", "Whose stories there are for me now", StoryTray),
    # A retry registers the same token again and is answered with the same id: it takes no cid.
    Route(
        name="device.register",
        method="POST",
        path="/v1/devices",
        summary="Have pushes reach this device, as long as this login is not revoked",
        answer=DeviceRegistered,
        status=201,
        bodies=(WebDevice, ApnsDevice, FcmDevice),
    ),
    Route(
        name="device.list",
        method="GET",
        path="/v1/devices",
        summary="The devices that pushes reach, and the key that a browser subscribes with",
        answer=Devices,
    ),
    Route(
        name="device.forget",
        method="DELETE",
        path="/v1/devices/{id}",
        summary="Push to this device no more",
        answer=Done,
        place=ById,
        refusals=("not_found",),
    ),
    Route(
        name="socket.route",
        method="GET",
        path="/v1/socket/route",
        summary="My home node, and the URL of its socket",
        answer=SocketRoute,
    ),
    _twin("GET", "/v1/conversations", "A folder, the newest activity first", ListConversations),
    _twin(
        "POST",
        "/v1/conversations",
        "With `user`: the direct conversation with them, made if absent. Else: create a group",
        OpenConversation,
        CreateConversation,
        refusals=("not_found", "id_reused"),
    ),
    _twin("GET", _ONE, "One conversation", GetConversation, cached=True, refusals=("not_found",)),
    _twin("GET", f"{_ONE}/messages", "Events of the log, ascending", GetHistory, refusals=("not_found",)),
    _twin(
        "POST",
        f"{_ONE}/messages",
        "Send a message",
        SendMessage,
        refusals=("not_found", "forbidden", "id_reused", "out_of_order", "unknown_outcome"),
    ),
    _twin("PUT", f"{_ONE}/read", "How far I have read", MarkRead, refusals=("not_found", "unknown_outcome")),
    _twin(
        "PATCH",
        f"{_ONE}/settings",
        "Change my own settings of a conversation",
        ChangeSettings,
        refusals=("not_found", "unknown_outcome"),
    ),
    _twin(
        "PUT",
        f"{_ONE}/accept",
        "Accept a request: it moves to my inbox",
        AcceptConversation,
        refusals=("not_found", "unknown_outcome"),
    ),
    _twin(
        "PUT",
        f"{_ONE}/decline",
        "Decline a request: it leaves my lists; conflict_state: it was accepted, or never was a request",
        DeclineConversation,
        refusals=("not_found", "conflict_state", "unknown_outcome"),
    ),
    _twin("GET", f"{_ONE}/receipts", "How far each member has got", GetReceipts, refusals=("not_found",)),
    _twin("GET", "/v1/notifications", "My notifications, something new first", ListNotifications),
    _twin("PUT", "/v1/notifications/seen", "How far I have seen them", SeeNotifications),
    Route(
        name="notification.preferences.get",
        method="GET",
        path="/v1/notifications/preferences",
        summary="Which notifications I want",
        answer=Preferences,
        ops=(ChangePreferences,),
    ),
    _twin("PUT", "/v1/notifications/preferences", "Change which notifications I want", ChangePreferences),
    _twin("GET", "/v1/feed", "Posts of those whom I follow, and mine", GetFeed),
    _twin("POST", "/v1/sync", "What changed since these heads", Sync),
    Route(
        name="document.openapi",
        method="GET",
        path="/v1/openapi.json",
        summary="This document",
        answer=Document,
        open=True,
        cached=True,
    ),
    Route(
        name="document.asyncapi",
        method="GET",
        path="/v1/asyncapi.json",
        summary="The socket's document",
        answer=Document,
        open=True,
        cached=True,
    ),
    Route(
        name="health.ready",
        method="GET",
        path="/health/ready",
        summary="Does this node do its job",
        answer=Readiness,
        open=True,
    ),
)

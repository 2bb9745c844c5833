"""People over HTTP: what is sent to sign up, sign in and edit a profile, and what is answered (docs/protocol.md §9)."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.ids import LoginId, Millis, UserId
from protocol.requests import Device

# ASCII, so that one name has one spelling but for its case.
USERNAME_RULE = "1 to 30 letters from a to z, digits, periods and underscores, and not periods alone"
Username = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._]{1,30}$(?!\n)", description=USERNAME_RULE)]
# What is only periods is a step in a path (RFC 3986 §5.2.4), or looks like one; some are called so.
NewUsername = Annotated[str, Meta(pattern=r"^(?!\.*$)[A-Za-z0-9._]{1,30}$(?!\n)", description=USERNAME_RULE)]
Password = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=1_024,
        description="at least 8 characters, at most 1,024 bytes",
    ),
]
DisplayName = Annotated[
    str,
    Meta(max_length=64, pattern=r"^[^\u0000]*$(?!\n)", description="empty removes it"),
]
Email = Annotated[str, Meta(max_length=254, pattern=r"^(?:[^@\u0000-\u0020]+@[^@\u0000-\u0020]+)?$(?!\n)")]
SettingName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9_.]+$(?!\n)")]
Setting = (
    bool
    | Annotated[int, Meta(ge=-(2**53), le=2**53)]
    | Annotated[str, Meta(max_length=256, pattern=r"^[^\u0000]*$(?!\n)")]
)


class SignUp(Struct, frozen=True, gc=False):
    """Makes an account and signs in."""

    username: NewUsername
    password: Password
    name: DisplayName | UnsetType = UNSET
    email: Email | UnsetType = UNSET


class SignIn(Struct, frozen=True, gc=False):
    """`username` and `password` take any text, so that a wrong one is answered like an unknown one."""

    username: Annotated[str, Meta(max_length=64, pattern=r"^[^\u0000]*$(?!\n)")]
    password: Annotated[str, Meta(max_length=1_024)]
    device: Device | UnsetType = UNSET


class RefreshLogin(Struct, frozen=True, gc=False):
    """Exchanges a refresh token for fresh tokens; it is good for that once."""

    refresh_token: Annotated[str, Meta(max_length=128)]


class Credentials(Struct, frozen=True, gc=False):
    """`access_token` is good for `expires_in` seconds; `refresh_token` for one exchange."""

    user: UserId
    access_token: str
    refresh_token: str
    expires_in: int


class LoginShown(Struct, frozen=True, gc=False, omit_defaults=True):
    """One place where I am signed in. `last_used_at` is when its refresh token was last exchanged."""

    id: LoginId
    created_at: Millis
    last_used_at: Millis
    current: bool
    device: Device | UnsetType = UNSET


class Logins(Struct, frozen=True, gc=False):
    """All of them, the most recently used first: never more than a hundred, so there is no next page."""

    items: list[LoginShown]


class MyProfile(Struct, frozen=True, gc=False, omit_defaults=True):
    """`me` of docs/protocol.md §4, and what only I may see. `private`: who wants to follow me has to ask."""

    id: UserId
    username: str
    settings: dict[str, Setting]
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    private: bool = False


class Profile(Struct, frozen=True, gc=False, omit_defaults=True):
    """What anybody who is signed in may see of somebody. `private`: who wants to follow them has to ask, and sees no
    more than this until then. `followers` and `following` are exact, `posts` are those that are published."""

    id: UserId
    username: str
    name: str | UnsetType = UNSET
    private: bool = False
    followers: int = 0
    following: int = 0
    posts: int = 0


class ProfilePatch(Struct, frozen=True, gc=False):
    """What is left out stays. An empty `name` or `email` removes it; settings are merged by key. Who is no more
    private accepts all that wait to follow them."""

    name: DisplayName | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    settings: Annotated[dict[SettingName, Setting], Meta(max_length=64)] | UnsetType = UNSET
    private: bool | UnsetType = UNSET


class SocketRoute(Struct, frozen=True, gc=False):
    """Where my sessions live: the name of the node, and the URL at which it takes my sockets."""

    url: str
    node: str

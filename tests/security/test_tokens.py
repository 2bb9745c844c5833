"""Tokens that are not ours, or no longer: what each attack is, and that it is refused."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import LoginId, Millis, UserId
from server.tokens import Caller, Expired, Invalid, Tokens
from tests.server.http.stack import Stack, call, sign_up

ADA, LOGIN = UserId("497219430582059017"), LoginId("497219430590449674")
NOW = Millis(1_795_219_200_000)
SECRET, OTHER = b"k" * 32, b"x" * 32
TOKENS = Tokens([("1", SECRET)], 900, lambda: NOW)
HEADER = {"alg": "HS256", "kid": "1", "typ": "JWT"}
CLAIMS = {"sub": ADA, "lid": LOGIN, "exp": NOW // 1_000 + 900, "iat": NOW // 1_000}


def part(value: Any) -> bytes:
    octets = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def forged(header: Any = HEADER, claims: Any = CLAIMS, secret: bytes = SECRET, algorithm: str = "sha256") -> str:
    signed = part(header) + b"." + part(claims)
    return (signed + b"." + part(hmac.digest(secret, signed, algorithm))).decode()


def without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def test_the_forger_makes_good_tokens_when_it_knows_the_key() -> None:
    assert TOKENS.verify(forged(), NOW) == Caller(ADA, LOGIN)


ATTACKS: dict[str, str] = {
    "empty": "",
    "no parts": "x",
    "four parts": forged() + ".x",
    "a null byte": forged() + "\x00",
    "not ASCII": "é" + forged(),
    "a lone surrogate": "\ud800" + forged(),
    "too long": forged() + "=" * 2_000,
    "another key": forged(secret=OTHER),
    "no signature": forged().rpartition(".")[0] + ".",
    "a cut signature": forged()[:-4],
    "alg none": (part({**HEADER, "alg": "none"}) + b"." + part(CLAIMS) + b".").decode(),
    "alg None, signed": forged({**HEADER, "alg": "None"}),
    "alg HS512, right key": forged({**HEADER, "alg": "HS512"}, algorithm="sha512"),
    "alg HS384, right key": forged({**HEADER, "alg": "HS384"}, algorithm="sha384"),
    "alg RS256": forged({**HEADER, "alg": "RS256"}),
    "alg of a wrong type": forged({**HEADER, "alg": ["HS256"]}),
    "no alg": forged(without(HEADER, "alg")),
    "no kid": forged(without(HEADER, "kid")),
    "an unknown kid": forged({**HEADER, "kid": "2"}),
    "a kid that is a path": forged({**HEADER, "kid": "../../dev/null"}, secret=b""),
    "a kid of a wrong type": forged({**HEADER, "kid": ["1"]}),
    "a key in the header": forged({**without(HEADER, "kid"), "jwk": {"kty": "oct", "k": part(OTHER)}}, secret=OTHER),
    "a critical extension": forged({**HEADER, "crit": ["exp"]}),
    "unencoded payload": forged({**HEADER, "b64": False, "crit": ["b64"]}),
    "a header that is a list": forged([]),
    "a header that is no JSON": forged(b"{"),
    "a header nested deep": forged(b"[" * 600),
    "a payload nested deep": forged(claims=b"[" * 600),
    "a payload that is no JSON": forged(claims=b"{"),
    "a payload that is a list": forged(claims=[]),
    "no subject": forged(claims=without(CLAIMS, "sub")),
    "no login": forged(claims=without(CLAIMS, "lid")),
    "no expiry": forged(claims=without(CLAIMS, "exp")),
    "a subject that is no id": forged(claims={**CLAIMS, "sub": "*"}),
    "a subject with a newline": forged(claims={**CLAIMS, "sub": ADA + "\n"}),
    "a subject of a wrong type": forged(claims={**CLAIMS, "sub": 1}),
    "an expiry of a wrong type": forged(claims={**CLAIMS, "exp": "9999999999"}),
    "an expiry that is no number": forged(claims=b'{"sub":"1","lid":"2","iat":1,"exp":NaN}'),
    "an expiry of many digits": forged(claims=b'{"sub":"1","lid":"2","iat":1,"exp":%s}' % (b"9" * 400)),
}


@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS)
def test_a_token_that_is_not_ours_is_invalid(token: str) -> None:
    assert TOKENS.verify(token, NOW) == Invalid()


def test_a_token_is_expired_only_if_it_is_ours() -> None:
    old = {**CLAIMS, "exp": NOW // 1_000}
    assert TOKENS.verify(forged(claims=old), NOW) == Expired()
    assert TOKENS.verify(forged(claims=old, secret=OTHER), NOW) == Invalid()


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_changing_any_octet_of_a_token_makes_it_invalid(place: int, octets: bytes) -> None:
    token = TOKENS.issue(ADA, LOGIN).encode()
    at = place % token.rindex(b".")
    changed = (token[:at] + octets + token[at + len(octets) :]).decode("latin-1")
    if changed.encode("latin-1") != token:
        assert TOKENS.verify(changed, NOW) == Invalid()


@given(st.text(max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    assert TOKENS.verify(text, NOW) == Invalid()
    assert TOKENS.verify(f"{part(HEADER).decode()}.{text}", NOW) == Invalid()


def _bearer(token: str) -> str:
    return f"Bearer {token}"


HEADERS: dict[str, Callable[[str], str]] = {
    "another scheme": lambda token: f"Basic {token}",
    "no scheme": lambda token: token,
    "two tokens": lambda token: f"Bearer {token}, Bearer {token}",
    "a part of it": lambda token: _bearer(token[:-1]),
    "nothing": lambda _: "Bearer",
    "the refresh token's digest": lambda token: _bearer(hashlib.sha256(token.encode()).hexdigest()),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_a_header_that_is_no_good_token_lets_nobody_in(header: Callable[[str], str]) -> None:
    stack = Stack()
    async with stack.served() as client:
        ada = await sign_up(client)
        problem = await call(client, "GET", "/v1/me", status=401, Authorization=header(ada.token))
        assert problem["code"] == "unauthenticated"
        assert ada.token not in str(problem)
        await ada.call("GET", "/v1/me")


async def test_a_token_in_the_address_lets_nobody_in() -> None:
    async with Stack().served() as client:
        ada = await sign_up(client)
        for name in ("token", "access_token", "authorization"):
            await call(client, "GET", f"/v1/me?{name}={ada.token}", status=401)


async def test_a_revoked_login_is_out_before_its_token_expires() -> None:
    stack = Stack()
    async with stack.served() as client:
        ada = await sign_up(client)
        [login] = (await ada.call("GET", "/v1/logins"))["items"]
        await stack.people.revoke(UserId(ada.user), LoginId(login["id"]))
        await stack.revocations.poll()
        assert (await ada.call("GET", "/v1/me", status=401))["detail"] == "the token is not valid"
        assert stack.ended == [login["id"]]

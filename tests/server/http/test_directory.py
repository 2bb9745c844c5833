"""Names and ids, looked up over HTTP by programs that talk for longer than an access token lives."""

import pytest

from server.chat.directory import Directory
from server.http.rates import Rate, Rates
from tests.server.http.stack import LIFE_S, Client, Person, Stack, sign_up
from tidings_client import AuthenticationFailed, Login, Tokens


@pytest.fixture
def login(client: Client, ada: Person) -> Login:
    return Login(f"http://{client.host}:{client.port}", Tokens(ada.user, ada.token, ada.refresh_token, LIFE_S))


@pytest.fixture
def directory(login: Login) -> Directory:
    return Directory(login)


async def test_people_are_found_by_name_and_by_id(directory: Directory, bob: Person) -> None:
    assert await directory.user("bob") == bob.user
    assert await directory.name(bob.user) == "bob"


async def test_who_does_not_exist_has_no_id_and_is_shown_as_theirs(directory: Directory) -> None:
    assert await directory.user("nobody") is None
    assert await directory.user("no name at all") is None
    assert await directory.name("8") == "8"


async def test_look_ups_go_on_after_the_access_token_has_expired(
    directory: Directory, login: Login, stack: Stack, ada: Person, bob: Person
) -> None:
    stack.now_s += LIFE_S + 60
    assert await directory.user("bob") == bob.user
    assert login.tokens.access_token != ada.token
    renewed = login.tokens
    assert await directory.name(bob.user) == "bob"
    assert login.tokens == renewed


async def test_a_login_that_is_over_ends_the_look_ups(
    directory: Directory, login: Login, stack: Stack, bob: Person
) -> None:
    stack.now_s += 31 * 86_400
    with pytest.raises(AuthenticationFailed):
        await directory.user("bob")


async def test_a_name_is_asked_for_once(directory: Directory, stack: Stack, bob: Person) -> None:
    assert await directory.name(bob.user) == "bob"
    stack.now_s += 31 * 86_400
    assert await directory.name(bob.user) == "bob"


async def test_a_refusal_that_says_nothing_of_people_is_an_os_error(stack: Stack) -> None:
    stack.change("entry", rates=Rates(login=Rate("login", 1, 0.1)))
    async with stack.served() as client:
        ada = await sign_up(client)
        url = f"http://{client.host}:{client.port}"
        directory = Directory(Login(url, Tokens(ada.user, ada.token, ada.refresh_token, LIFE_S)))
        assert await directory.user("ada") == ada.user
        with pytest.raises(OSError, match="answers 429"):
            await directory.user("ada")

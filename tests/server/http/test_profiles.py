"""Profiles over HTTP."""

from persistence.people.contract import SETTINGS
from protocol.ids import LoginId, UserId
from tests.server.http.stack import Client, Person, Stack, call


async def test_a_profile_is_changed_by_what_is_named(ada: Person) -> None:
    changed = await ada.call("PATCH", "/v1/me", {"name": "Ada L.", "settings": {"theme": "dark", "tips": True}})
    assert (changed["name"], changed["settings"]) == ("Ada L.", {"theme": "dark", "tips": True})
    changed = await ada.call("PATCH", "/v1/me", {"name": "", "settings": {"theme": 2}})
    assert "name" not in changed
    assert changed["settings"] == {"theme": 2, "tips": True}
    assert await ada.call("GET", "/v1/me") == changed == await ada.call("PATCH", "/v1/me", {})


async def test_settings_above_their_bound_are_too_large(ada: Person) -> None:
    full = {f"s{n}": n for n in range(SETTINGS)}
    await ada.call("PATCH", "/v1/me", {"settings": full})
    problem = await ada.call("PATCH", "/v1/me", {"settings": {"one.more": 1}}, status=413)
    assert problem["code"] == "too_large"
    problem = await ada.call("PATCH", "/v1/me", {"settings": full | {"one.more": 1}}, status=400)
    assert "settings" in problem["detail"]


async def test_a_setting_of_a_wrong_kind_is_refused_by_name(ada: Person) -> None:
    wrong: list[object] = [None, 1.5, [], {}, 2**60, "a" * 257, "a\x00"]
    for value in wrong:
        problem = await ada.call("PATCH", "/v1/me", {"settings": {"theme": value}}, status=400)
        assert "settings" in problem["detail"]


async def test_others_see_a_name_and_nothing_private(ada: Person, bob: Person) -> None:
    await ada.call("PATCH", "/v1/me", {"name": "Ada L.", "email": "ada@example.com", "settings": {"theme": "dark"}})
    seen = {"id": ada.user, "username": "ada", "name": "Ada L."}
    assert await bob.call("GET", f"/v1/users/{ada.user}") == seen
    assert await bob.call("GET", "/v1/users/by-username/ADA") == seen


async def test_who_does_not_exist_is_not_found(bob: Person) -> None:
    by_id = await bob.call("GET", "/v1/users/8", status=404)
    by_name = await bob.call("GET", "/v1/users/by-username/nobody", status=404)
    assert by_id == by_name
    assert by_id["code"] == "not_found"


async def test_a_token_of_an_account_that_is_gone_is_unauthenticated(stack: Stack, client: Client) -> None:
    token = stack.tokens.issue(UserId("8"), LoginId("9"))
    problem = await call(client, "GET", "/v1/me", status=401, Authorization=f"Bearer {token}")
    assert problem["code"] == "unauthenticated"


async def test_a_profile_that_did_not_change_is_not_sent_again(client: Client, ada: Person) -> None:
    for path in ("/v1/me", f"/v1/users/{ada.user}", "/v1/users/by-username/ada"):
        async with client.get(path, headers=ada.headers) as first:
            tag = first.headers["ETag"]
            assert first.headers["Cache-Control"] == "private, no-cache"
        for named in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            async with client.get(path, headers={**ada.headers, "If-None-Match": named}) as again:
                assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
        async with client.get(path, headers={**ada.headers, "If-None-Match": '"other"'}) as other:
            assert other.status == 200
    await ada.call("PATCH", "/v1/me", {"name": "Ada L."})
    async with client.get("/v1/me", headers={**ada.headers, "If-None-Match": tag}) as changed:
        assert changed.status == 200
        assert changed.headers["ETag"] != tag

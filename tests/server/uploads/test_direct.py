"""Uploads straight to S3, and by tus to S3, at a real server of S3."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from persistence.pool import open_pool
from persistence.uploads.statements import MOST_CLAIMS
from tests.s3_server import SeaweedFS, s3_server
from tests.server.http.stack import Client, Person, sign_up
from tests.server.uploads.rig import PIECE, Rig, Uploader, id_of, picture
from tidings_client import Login, Tokens, Uploads

pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
async def rig(module_database: str, s3: SeaweedFS) -> AsyncIterator[Rig]:
    async with open_pool(module_database, 4) as pool:
        await pool.execute("truncate upload, media")
        yield Rig(pool, s3.objects("direct"))


@pytest.fixture
async def ada_as_person(client: Any) -> Person:
    return await sign_up(client, "ada")


async def put(url: str, content: bytes) -> None:
    async with aiohttp.ClientSession() as session, session.put(url, data=content) as answer:
        assert answer.status == 200


async def test_a_picture_is_put_to_its_url_and_completed(rig: Rig, ada_as_person: Person, bob: Uploader) -> None:
    ada, content, cid = ada_as_person, picture(5 * PIECE), "c" * 22
    made = await ada.call("POST", "/v1/uploads/direct", {"cid": cid, "bytes": len(content)}, 201)
    again = await ada.call("POST", "/v1/uploads/direct", {"cid": cid, "bytes": len(content)}, 201)
    assert (again["upload"], again["dup"], "dup" in made) == (made["upload"], True, False)
    reused = await ada.call("POST", "/v1/uploads/direct", {"cid": cid, "bytes": 7}, 409)
    assert reused["code"] == "id_reused"
    complete = f"/v1/uploads/{made['upload']}/complete"
    assert "nothing was put" in (await ada.call("POST", complete, None, 409))["detail"]
    await put(made["url"], content[:-1])
    assert "another size" in (await ada.call("POST", complete, None, 409))["detail"]
    await put(made["url"], content)
    foreign = {"Authorization": bob.headers["Authorization"]}
    async with bob.client.post(complete, headers=foreign) as answer:
        assert answer.status == 404
    for _ in range(2):
        done = await ada.call("POST", complete)
        assert done == {"upload": made["upload"], "media": made["upload"]}
    media = await rig.media(made["upload"])
    assert (media["bytes"], media["type"], media["state"]) == (len(content), "image/jpeg", "processing")
    assert rig.told[-1][1].state == "received"
    assert await rig.stored(made["upload"]) == content


async def test_asking_again_and_again_whether_it_was_put_does_not_end_an_upload(
    rig: Rig, ada_as_person: Person
) -> None:
    content = picture(100)
    made = await ada_as_person.call("POST", "/v1/uploads/direct", {"cid": "f" * 22, "bytes": len(content)}, 201)
    complete = f"/v1/uploads/{made['upload']}/complete"
    for _ in range(MOST_CLAIMS + 1):
        await ada_as_person.call("POST", complete, None, 409)
    await put(made["url"], content)
    await ada_as_person.call("POST", complete)
    assert await rig.stored(made["upload"]) == content


async def test_the_python_client_puts_a_picture(rig: Rig, client: Client, ada_as_person: Person) -> None:
    content = picture(PIECE + 3)
    tokens = Tokens(ada_as_person.user, ada_as_person.token, "", 900)
    media = await Uploads(Login(f"http://{client.host}:{client.port}", tokens)).upload_direct(content)
    assert await rig.stored(media) == content


async def test_what_was_put_is_looked_at(rig: Rig, ada_as_person: Person) -> None:
    ada, content = ada_as_person, b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    made = await ada.call("POST", "/v1/uploads/direct", {"cid": "d" * 22, "bytes": len(content)}, 201)
    await put(made["url"], content)
    complete = f"/v1/uploads/{made['upload']}/complete"
    assert "JPEG" in (await ada.call("POST", complete, None, 400))["detail"]
    await ada.call("POST", complete, None, 404)
    assert await rig.objects.listed(f"upload/{made['upload']}") == []
    assert (await ada.call("POST", "/v1/uploads/direct", {"cid": "e" * 22, "bytes": 1 << 39}, 413))[
        "code"
    ] == "too_large"


async def test_pieces_of_tus_go_to_s3_too(rig: Rig, ada: Uploader) -> None:
    content = picture(3 * PIECE + 5)
    path = await ada.create(len(content))
    await ada.patch(path, 0, content[: PIECE + 7])
    await ada.patch(path, PIECE + 7, content[PIECE + 7 :])
    assert await rig.stored(id_of(path)) == content

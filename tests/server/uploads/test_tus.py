"""tus 1.0, header by header and status by status (tus.io/protocols/resumable-upload)."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from persistence.uploads.postgres import Upload
from protocol.ids import UserId
from server.uploads.assembling import piece_key
from server.uploads.refusals import EXPIRED
from tests.server.http.stack import ORIGIN, Client
from tests.server.uploads.rig import BODY, Rig, Uploader, checksum, id_of, path_of, picture


async def test_the_server_says_what_it_can(client: Client) -> None:
    async with client.options("/v1/uploads") as response:
        assert response.status == 204
        told = {name: response.headers[name] for name in response.headers if name.startswith("Tus-")}
    assert told == {
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,creation-with-upload,checksum,expiration,termination",
        "Tus-Max-Size": "134217728",
        "Tus-Checksum-Algorithm": "sha1,sha256,md5",
    }


@pytest.mark.parametrize("version", ["", "0.2.2", "1.0.1"])
async def test_another_version_is_refused_before_anything_else(client: Client, version: str) -> None:
    for method, path in (("POST", "/v1/uploads"), ("HEAD", "/v1/uploads/7"), ("PATCH", "/v1/uploads/7")):
        async with client.request(method, path, headers={"Tus-Resumable": version}) as response:
            assert response.status == 412
            assert response.headers["Tus-Version"] == "1.0.0"


async def test_without_a_token_nothing_is_told(client: Client) -> None:
    for method, path in (("POST", "/v1/uploads"), ("HEAD", "/v1/uploads/7"), ("DELETE", "/v1/uploads/7")):
        async with client.request(method, path, headers={"Tus-Resumable": "1.0.0"}) as response:
            assert (response.status, response.headers["Tus-Resumable"]) == (401, "1.0.0")


async def test_a_file_comes_in_pieces_and_becomes_media(rig: Rig, ada: Uploader) -> None:
    content = picture(5_500)
    named = base64.b64encode(b"../../etc/passwd").decode()
    path = await ada.create(len(content), Upload_Metadata=f"filename {named},private")
    assert await ada.offset(path) == 0
    for start, end in ((0, 3), (3, 2_700), (2_700, 2_700), (2_700, 5_499)):
        answer = await ada.patch(path, start, content[start:end])
        assert answer["Upload-Offset"] == str(end)
        assert await rig.media(id_of(path)) is None
    told = await ada.ask("HEAD", path, 200)
    assert (told["Upload-Length"], told["Upload-Offset"], told["Cache-Control"]) == ("5500", "5499", "no-store")
    assert told["Upload-Metadata"] == f"filename {named},private"
    expires = parsedate_to_datetime(told["Upload-Expires"]).timestamp()
    now = (await rig.pool.fetchval("select statement_timestamp()")).timestamp()
    assert 86_300 < expires - now <= 86_400
    answer = await ada.patch(path, 5_499, content[5_499:])
    assert "Upload-Expires" not in answer
    media = await rig.media(id_of(path))
    assert (media["state"], media["bytes"], media["type"]) == ("processing", 5_500, "image/jpeg")
    assert media["due_at"] is not None
    assert await rig.stored(id_of(path)) == content


async def test_a_file_may_come_with_its_creation(rig: Rig, ada: Uploader) -> None:
    content = picture(2_000)
    asked = {"Upload_Length": "2000", "Content_Type": BODY}
    answer = await ada.ask("POST", "/v1/uploads", 201, content, **asked, **checksum(content, "sha256"))
    assert answer["Upload-Offset"] == "2000"
    assert await rig.stored(id_of(path_of(answer))) == content
    answer = await ada.ask("POST", "/v1/uploads", 201, content[:500], **asked)
    assert answer["Upload-Offset"] == "500"
    await ada.patch(path_of(answer), 500, content[500:])
    assert await rig.stored(id_of(path_of(answer))) == content


async def test_where_an_upload_is_is_told_as_the_client_sees_it(ada: Uploader) -> None:
    answer = await ada.ask("POST", "/v1/uploads", 201, Upload_Length="9", Host="t.example", X_Forwarded_Proto="https")
    assert answer["Location"].startswith("https://t.example/v1/uploads/")
    answer = await ada.ask("POST", "/v1/uploads", 201, Upload_Length="9", Host="t example<>")
    assert answer["Location"].startswith("/v1/uploads/")


async def test_a_wrong_offset_is_a_conflict_and_changes_nothing(ada: Uploader) -> None:
    path = await ada.create(100)
    await ada.patch(path, 0, picture(50))
    for offset in (0, 49, 51, 100, 10**14):
        assert (await ada.patch(path, offset, b"x", 409))["code"] == "conflict_state"
    for said in ("", "-1", "5x", "1e3", "9" * 20):
        answer = await ada.ask("PATCH", path, 400, b"x", Upload_Offset=said, Content_Type=BODY)
        assert "Upload-Offset" in answer["detail"]
    assert await ada.offset(path) == 50


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_more_than_was_announced_is_too_large(rig: Rig, ada: Uploader) -> None:
    path = await ada.create(100)
    assert (await ada.patch(path, 0, picture(101), 413))["code"] == "too_large"
    assert await ada.offset(path) == 0
    # Nobody says how much will come.
    assert (await ada.patch(path, 0, chunks(picture(60), b"x" * 41), 413))["code"] == "too_large"
    await ada.patch(path, 0, picture(100))
    assert await rig.stored(id_of(path)) == picture(100)


async def test_a_body_whose_length_nobody_says_is_taken(rig: Rig, ada: Uploader) -> None:
    content = picture(3_333)
    path = await ada.create(len(content))
    await ada.patch(path, 0, chunks(content[:10], content[10:2_500], content[2_500:]))
    assert await rig.stored(id_of(path)) == content


async def test_a_body_of_another_type_is_refused(ada: Uploader) -> None:
    path = await ada.create(100)
    for type in ("image/jpeg", "application/octet-stream", ""):
        assert "Content-Type" in (await ada.patch(path, 0, picture(9), 415, Content_Type=type))["detail"]
    assert "Content-Type" in (await ada.ask("POST", "/v1/uploads", 415, b"{}", Upload_Length="2"))["detail"]
    assert (await ada.patch(path, 0, picture(9), 400, Content_Encoding="gzip"))["code"] == "bad_request"


async def test_a_body_with_a_wrong_checksum_does_not_count(rig: Rig, ada: Uploader) -> None:
    content = picture(4_000)
    path = await ada.create(4_000)
    await ada.patch(path, 0, content[:100], **checksum(content[:100], "md5"))
    answer = await ada.patch(path, 100, content[100:], 460, **checksum(content[100:] + b"?"))
    assert (answer["code"], answer["title"]) == ("bad_request", "Checksum Mismatch")
    assert await ada.offset(path) == 100
    pieces = await rig.objects.listed(f"upload/{id_of(path)}")
    assert [piece.size for piece in pieces] == [100]
    await ada.patch(path, 100, content[100:], **checksum(content[100:]))
    assert await rig.stored(id_of(path)) == content


@pytest.mark.parametrize("said", ["sha1", "sha1 ", "sha1 !!!!", "sha1 AAAA", "crc32 AAAAAA==", "SHA1 x", " ", "sha1 é"])
async def test_a_checksum_that_cannot_be_read_is_a_bad_request(ada: Uploader, said: str) -> None:
    path = await ada.create(100)
    assert "Upload-Checksum" in (await ada.patch(path, 0, picture(100), 400, Upload_Checksum=said))["detail"]
    assert await ada.offset(path) == 0


@pytest.mark.parametrize("length", ["", "0", "-5", "1.5", "many", "9" * 16])
async def test_a_creation_says_how_much_will_come(ada: Uploader, length: str) -> None:
    assert "Upload-Length" in (await ada.ask("POST", "/v1/uploads", 400, Upload_Length=length))["detail"]
    assert "Upload-Length" in (await ada.ask("POST", "/v1/uploads", 400, Upload_Defer_Length="1"))["detail"]


async def test_extensions_that_are_not_told_are_refused(ada: Uploader) -> None:
    answer = await ada.ask("POST", "/v1/uploads", 400, Upload_Length="9", Upload_Concat="partial")
    assert "Upload-Concat" in answer["detail"]


@pytest.mark.parametrize("metadata", [",", "a b c", "a !", "filename", "a YQ==,b YQ==", "ä YQ=="])
async def test_metadata_are_keys_with_values_in_base64(ada: Uploader, metadata: str) -> None:
    readable = metadata in ("filename", "a YQ==,b YQ==")
    answer = await ada.ask("POST", "/v1/uploads", 201 if readable else 400, Upload_Length="9", Upload_Metadata=metadata)
    assert readable or "Upload-Metadata" in answer["detail"]


async def test_an_expired_upload_is_gone_and_then_unknown(rig: Rig, ada: Uploader) -> None:
    path = await ada.create(100)
    await ada.patch(path, 0, picture(50))
    await rig.expire(id_of(path))
    await ada.ask("HEAD", path, 410)
    await ada.patch(path, 50, b"x", 410)
    await ada.ask("DELETE", path, 410)
    assert await rig.uploads.cleaning.clean() == 1
    await ada.ask("HEAD", path, 404)
    await ada.patch(path, 50, b"x", 404)
    assert await rig.objects.listed(f"upload/{id_of(path)}") == []


async def test_what_the_pipeline_has_not_taken_yet_outlives_its_upload(rig: Rig, ada: Uploader) -> None:
    path = await ada.create(100)
    await ada.patch(path, 0, picture(100))
    await rig.expire(id_of(path))
    assert await rig.uploads.cleaning.clean() == 0
    assert await rig.stored(id_of(path)) == picture(100)
    await rig.pool.execute("update media set state = 'ready'")
    assert await rig.uploads.cleaning.clean() == 1
    await ada.ask("HEAD", path, 404)


async def test_a_terminated_upload_leaves_nothing(rig: Rig, ada: Uploader) -> None:
    path = await ada.create(100)
    await ada.patch(path, 0, picture(50))
    await ada.ask("DELETE", path, 204)
    assert await rig.objects.listed(f"upload/{id_of(path)}") == []
    await ada.ask("HEAD", path, 404)
    await ada.ask("DELETE", path, 404)
    path = await ada.create(10)
    await ada.patch(path, 0, picture(10))
    assert (await ada.ask("DELETE", path, 409))["code"] == "conflict_state"


async def test_methods_may_come_as_a_post(rig: Rig, ada: Uploader) -> None:
    path = await ada.create(100)
    asked = {"Upload_Offset": "0", "Content_Type": BODY, "X_HTTP_Method_Override": "PATCH"}
    assert (await ada.ask("POST", path, 204, picture(40), **asked))["Upload-Offset"] == "40"
    assert (await ada.ask("POST", path, 200, X_HTTP_Method_Override="head"))["Upload-Offset"] == "40"
    await ada.ask("POST", path, 405)
    await ada.ask("POST", path, 204, X_HTTP_Method_Override="DELETE")


@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html><html>", b"<svg xmlns='http://x'/>", b"GIF88a......", b"%PDF-1.7 ....", b"MZ" * 9, b"x"],
)
async def test_what_is_no_picture_is_refused_and_ended(rig: Rig, ada: Uploader, content: bytes) -> None:
    path = await ada.create(len(content))
    answer = await ada.patch(path, 0, content, 415)
    assert answer["code"] == "bad_request"
    assert "JPEG" in answer["detail"]
    await ada.ask("HEAD", path, 404)
    assert await rig.objects.listed(f"upload/{id_of(path)}") == []
    # With the first bytes, however many are announced, and however few come at a time.
    path = await ada.create(10_000_000)
    await ada.patch(path, 0, content[:5])
    await ada.patch(path, min(5, len(content)), content[5:] + b"." * 11, 415)


STARTS = [
    ("image/jpeg", b"\xff\xd8\xff\xdb" + bytes(20)),
    ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(20)),
    ("image/gif", b"GIF89a" + bytes(20)),
    ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(20)),
    ("image/heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
    ("image/heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
    ("image/heic", b"\0\0\0\x18ftypmif2\0\0\0\0mif2heim"),
    ("image/avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"),
    ("image/avif", b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif"),
    ("image/tiff", b"MM\0*" + bytes(20)),
]


@pytest.mark.parametrize(("type", "content"), STARTS)
async def test_every_kind_of_picture_is_known_by_its_first_bytes(
    rig: Rig, ada: Uploader, type: str, content: bytes
) -> None:
    path = await ada.create(len(content))
    for start, end in ((0, 1), (1, 11), (11, len(content))):
        await ada.patch(path, start, content[start:end])
    assert (await rig.media(id_of(path)))["type"] == type
    assert await rig.stored(id_of(path)) == content


async def test_while_one_writes_another_one_is_locked_out(rig: Rig, ada: Uploader) -> None:
    content = picture(3_000)
    path = await ada.create(len(content))
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:500]
        begun.set()
        await go.wait()
        yield content[500:]

    async with asyncio.TaskGroup() as group:
        first = group.create_task(ada.patch(path, 0, slowly()))
        await begun.wait()
        while not await rig.pool.fetchval("select held_until > statement_timestamp() from upload"):
            pass
        answer = await ada.patch(path, 0, content, 423)
        assert (answer["code"], answer["retry_ms"]) == ("unavailable", 1_000)
        go.set()
        assert (await first)["Upload-Offset"] == "3000"
    assert await rig.stored(id_of(path)) == content


async def test_a_browser_of_an_allowed_origin_may_speak_tus(client: Client) -> None:
    for path, method in (("/v1/uploads", "POST"), ("/v1/uploads/7", "PATCH")):
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
        async with client.options(path, headers=asked) as response:
            assert response.status == 204
            assert method in response.headers["Access-Control-Allow-Methods"]
            allowed = response.headers["Access-Control-Allow-Headers"]
            assert {"Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Checksum"} <= set(allowed.split(", "))
    async with client.head("/v1/uploads/7", headers={"Origin": ORIGIN}) as response:
        exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
        assert {"Location", "Upload-Offset", "Upload-Length", "Tus-Resumable"} <= exposed


async def test_direct_uploads_need_s3(ada: Uploader) -> None:
    person = {"Authorization": ada.headers["Authorization"]}
    for path in ("/v1/uploads/direct", "/v1/uploads/7/complete"):
        async with ada.client.post(path, json={"cid": "c" * 20, "bytes": 9}, headers=person) as response:
            assert (response.status, (await response.json())["code"]) == (409, "conflict_state")


async def test_what_can_only_not_be_taken_now_is_there_to_go_on_with(rig: Rig, ada: Uploader, tmp_path: Path) -> None:
    content, asked = picture(2_000), {"Upload_Length": "2000", "Content_Type": BODY}
    with ExitStack() as others:
        for _ in range(rig.uploads.granted.at_once):
            others.enter_context(rig.uploads.places.taken(UserId(str(len(rig.uploads.places) + 1))))
        answer = await ada.ask("POST", "/v1/uploads", 201, content, **asked)
    assert answer["Upload-Offset"] == "0"
    await ada.patch(path_of(answer), 0, content)
    # The folder of objects is away.
    folder = tmp_path / "objects"
    folder.rename(folder.with_name("away"))
    folder.touch()
    answer = await ada.ask("POST", "/v1/uploads", 201, content, **asked)
    folder.unlink()
    folder.with_name("away").rename(folder)
    assert answer["Upload-Offset"] == "0"
    await ada.patch(path_of(answer), 0, content)
    assert await rig.stored(id_of(path_of(answer))) == content


@pytest.mark.parametrize(
    ("content", "status", "more"),
    [
        (picture(101), 413, {}),
        (b"<svg" + picture(96), 415, {}),
        (picture(100), 460, checksum(picture(99))),
        (picture(100), 400, {"Upload_Checksum": "crc32 AAAA"}),
        (picture(100), 400, {"Content_Encoding": "gzip"}),
    ],
    ids=["too large", "no picture", "other bytes", "unknown checksum", "compressed"],
)
async def test_a_creation_whose_body_is_refused_creates_nothing(
    rig: Rig, ada: Uploader, content: bytes, status: int, more: dict[str, str]
) -> None:
    await ada.ask("POST", "/v1/uploads", status, content, **{"Upload_Length": "100", "Content_Type": BODY, **more})
    assert await rig.pool.fetch("select from upload") == []


async def test_who_ends_an_upload_does_not_wait_until_those_of_others_are_removed(rig: Rig, ada: Uploader) -> None:
    path, other = await ada.create(100), await ada.create(100)
    await rig.expire(id_of(other))
    await ada.ask("DELETE", path, 204)
    assert [row["id"] for row in await rig.pool.fetch("select id from upload")] == [int(id_of(other))]
    assert (await rig.uploads.cleaning.clean(), rig.uploads.cleaning.removed) == (1, 2)


async def test_ids_of_nineteen_digits_lead_to_their_uploads(rig: Rig, ada: Uploader) -> None:
    path = await ada.create(100)
    await rig.pool.execute("update upload set id = 1000000000000000001 where id = $1", int(id_of(path)))
    await ada.patch("/v1/uploads/1000000000000000001", 0, picture(100))


async def test_what_is_put_to_the_url_of_a_direct_upload_that_has_ended_is_removed(rig: Rig) -> None:
    owner = UserId("7168")
    upload = await rig.uploads.create(owner, 100, "", "cid")
    assert isinstance(upload, Upload)
    await rig.objects.put(piece_key(upload.id, 0, 0), b"put")
    assert await rig.uploads.end(upload.id, owner) is None
    assert await rig.objects.listed(f"upload/{upload.id}") == []
    await rig.objects.put(piece_key(upload.id, 0, 0), b"put again")
    # Nor is anybody given another URL, which would outlive the row that leads there.
    assert await rig.uploads.create(owner, 100, "", "cid") is EXPIRED
    await rig.uploads.cleaning.clean()
    assert await rig.uploads.end(upload.id, owner) is EXPIRED
    await rig.pool.execute(
        "update upload set expires_at = expires_at - interval '1 hour' where id = $1", int(upload.id)
    )
    assert await rig.uploads.cleaning.clean() == 1
    assert await rig.objects.listed(f"upload/{upload.id}") == []

"""The two documents: valid by their standards, complete, and true to the structs."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from protocol import errors, events, live, requests, session
from protocol.asyncapi import asyncapi
from protocol.errors import Close
from protocol.examples import ANSWERS, EVENTS, EXAMPLES, REQUESTS
from protocol.octets import OCTET_PATHS
from protocol.openapi import openapi
from protocol.problems import STATUS
from protocol.routes import ROUTES
from protocol.schemas import reference, schemas_of
from server.documents import ASYNCAPI, OPENAPI, write_documents
from server.http import make_app, tus
from server.uploads import refusals
from server.uploads.refusals import UploadRefusal
from tests.server.http.stack import Stack

OPEN = msgspec.json.decode(OPENAPI)
ASYNC = msgspec.json.decode(ASYNCAPI)


def references(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, part in value.items():
                if key == "$ref":
                    yield part
                else:
                    yield from references(part)
        case list():
            for part in value:
                yield from references(part)


def resolved(document: Any, pointer: str) -> Any:
    assert pointer.startswith("#/")
    for key in pointer[2:].split("/"):
        document = document[key]
    return document


def tagged(module: Any, field: str) -> set[str]:
    """The tags of the structs of a module that are no other's base there."""
    found = inspect.getmembers(module, inspect.isclass)
    kinds = [kind for _, kind in found if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__]
    tagged = (kind for kind in kinds if kind.__struct_config__.tag_field == field)
    return {str(kind.__struct_config__.tag) for kind in tagged if not set(kind.__subclasses__()) & set(kinds)}


def test_the_http_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(OPEN).validate()
    assert OPEN["openapi"].startswith("3.1")


@pytest.mark.parametrize("document", [OPEN, ASYNC], ids=["openapi", "asyncapi"])
def test_every_reference_leads_somewhere_and_every_schema_is_one(document: Any) -> None:
    for pointer in references(document):
        assert isinstance(resolved(document, pointer), dict)
    for schema in document["components"]["schemas"].values():
        OAS31Validator.check_schema(schema)


@pytest.mark.parametrize("document", [OPEN, ASYNC], ids=["openapi", "asyncapi"])
def test_every_schema_is_needed(document: Any) -> None:
    needed = {pointer for pointer in references(document) if pointer.startswith("#/components/schemas/")}
    assert needed == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_the_http_document_has_every_route_and_no_other() -> None:
    written = {
        (method.upper(), path, operation["operationId"])
        for path, operations in OPEN["paths"].items()
        for method, operation in operations.items()
    }
    of_bytes = {one for one in written if one[1] in OCTET_PATHS}
    assert written - of_bytes == {(route.method, route.path, route.name) for route in ROUTES}
    assert len({name for _, _, name in written}) == len(ROUTES) + len(of_bytes)


def test_the_http_document_has_what_is_served_of_uploads_and_pictures() -> None:
    app = make_app(Stack().services)
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    described = {(method.upper(), path) for path in OCTET_PATHS for method in OPEN["paths"][path]}
    known = {(route.method, route.path) for route in ROUTES} | {("HEAD", route.path) for route in ROUTES}
    # A picture's HEAD goes without saying, as that of each GET, and so does tus' POST in place of other methods.
    implied = {("HEAD", "/v1/media/{id}/{variant}"), ("POST", "/v1/uploads/{id}")}
    assert served - known - implied == described


def test_every_refusal_of_an_upload_is_described() -> None:
    told = {
        one.status or STATUS[one.refusal.code].value
        for module in (refusals, tus)
        for one in vars(module).values()
        if isinstance(one, UploadRefusal)
    }
    described = {int(status) for one in OPEN["paths"]["/v1/uploads/{id}"].values() for status in one["responses"]}
    assert told <= described


def test_a_route_says_who_may_what_it_takes_and_what_it_answers() -> None:
    send = OPEN["paths"]["/v1/conversations/{id}/messages"]["post"]
    assert [(p["name"], p["in"], p["required"]) for p in send["parameters"]] == [("id", "path", True)]
    body = resolved(OPEN, send["requestBody"]["content"]["application/json"]["schema"]["$ref"])
    # One of text and share is needed, which the schema leaves to words.
    assert body["required"] == ["cid"]
    assert set(send["responses"]) == {"200", "400", "401", "403", "404", "409", "413", "429", "500", "503", "504"}
    assert "security" not in send
    assert OPEN["paths"]["/v1/logins"]["post"]["security"] == []
    history = OPEN["paths"]["/v1/conversations/{id}/messages"]["get"]
    assert [p["name"] for p in history["parameters"]] == ["id", "after", "before", "limit"]


def test_the_socket_document_is_shaped_like_asyncapi() -> None:
    assert ASYNC["asyncapi"] == "3.0.0"
    assert set(ASYNC["info"]) >= {"title", "version"}
    assert "discriminator" not in ASYNCAPI.decode()
    channel = ASYNC["channels"]["socket"]
    assert channel["address"] == "/v1/socket"
    for operation in ASYNC["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["channel"] == {"$ref": "#/channels/socket"}
        spoken = operation["messages"] + operation.get("reply", {}).get("messages", [])
        assert spoken
        for message in spoken:
            assert message["$ref"].removeprefix("#/channels/socket/messages/") in channel["messages"]


def test_the_socket_document_has_every_op_and_every_event() -> None:
    ops = {name for name, operation in ASYNC["operations"].items() if operation["action"] == "receive"}
    assert ops == tagged(requests, "op")
    heard = {message["$ref"].rpartition("/")[2] for message in ASYNC["operations"]["events"]["messages"]}
    assert heard == {f"event.{tag}" for module in (events, live, session) for tag in tagged(module, "ev")}
    unanswered = {op for op in ops if "reply" not in ASYNC["operations"][op]}
    assert unanswered == {"ack", "typing"}


def test_the_socket_document_has_every_closing_code() -> None:
    closes = {(value.status, value.code) for value in vars(errors).values() if isinstance(value, Close)}
    assert {(entry["status"], entry["code"]) for entry in ASYNC["x-closing-codes"]} == closes


@pytest.mark.parametrize("name", ASYNC["components"]["messages"])
def test_the_example_of_a_message_fits_its_schema(name: str) -> None:
    message = ASYNC["components"]["messages"][name]
    schema = {**message["payload"], "components": ASYNC["components"]}
    validator = OAS31Validator(schema)
    [example] = message["examples"]
    validator.validate(example["payload"])
    assert not validator.is_valid({})


def test_durable_events_carry_a_number_and_live_ones_none() -> None:
    for name in ("event.message", "event.receipt", "event.read", "event.settings"):
        assert ASYNC["components"]["messages"][name]["payload"]["allOf"][1]["required"] == ["u"]
    assert "allOf" not in ASYNC["components"]["messages"]["event.typing"]["payload"]


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_an_example_fits_the_schema_of_its_struct_as_it_is_encoded(kind: type[msgspec.Struct]) -> None:
    schema = {**reference(kind), "components": {"schemas": schemas_of([kind])}}
    OAS31Validator(schema).validate(msgspec.json.decode(msgspec.json.encode(EXAMPLES[kind])))


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_what_is_sent_says_in_one_line_what_it_means(kind: type[msgspec.Struct]) -> None:
    assert (kind.__doc__ or "").partition("\n")[0].endswith(".")


def test_there_is_one_example_of_each() -> None:
    assert len(EXAMPLES) == len(REQUESTS) + len(ANSWERS) + len(EVENTS)


def test_what_is_written_is_what_is_generated(tmp_path: Path) -> None:
    written = write_documents(tmp_path / "docs")
    assert [path.name for path in written] == ["openapi.json", "asyncapi.json"]
    for path, generate in zip(written, (openapi, asyncapi), strict=True):
        assert msgspec.json.decode(path.read_bytes()) == msgspec.json.decode(msgspec.json.encode(generate()))
    again = write_documents(tmp_path / "docs")
    assert [path.read_bytes() for path in again] == [OPENAPI, ASYNCAPI]

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config.catalogue import SETTINGS
from config.sections import MAX_SERVER_MESSAGE, Settings
from config.settings import SettingError, load
from config.values import Address, Network, SigningKey

KEY = "2026a:" + "A" * 43 + "="
OTHER_KEY = "2026b:" + "B" * 43 + "="
COMPLETE = {"TIDINGS_POSTGRES__URL": "postgresql://tidings:hunter2@db/tidings", "TIDINGS_TOKENS__KEYS": KEY}
EC, RSA = generate_private_key(SECP256R1()), generate_rsa_key(65_537, 2_048)
VAPID = base64.urlsafe_b64encode(bytes([1] * 32)).rstrip(b"=").decode()
EXAMPLE = Path(__file__).parents[2] / "config" / "example.toml"


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


def account(**changed: str) -> str:
    parts = {"project_id": "p-1", "client_email": "a@b", "token_uri": "https://oauth2.googleapis.com/token"}
    return json.dumps(parts | {"private_key": pem(RSA)} | changed)


def refusal(path: Path | None = None, environ: dict[str, str] | None = None, **overrides: object) -> str:
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    with pytest.raises(SettingError) as caught:
        load(path, COMPLETE | (environ or {}), named)
    return str(caught.value)


def written(folder: Path, text: str) -> Path:
    path = folder / "tidings.toml"
    path.write_text(text)
    return path


def test_without_any_setting_the_defaults_hold() -> None:
    assert load(None, {}, required=()) == Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    path = written(tmp_path, "[gateway]\nping_ms = 1000\nbackground_ping_ms = 70000\n")
    gateway = load(path, {**COMPLETE, "TIDINGS_GATEWAY__PING_MS": "2000"}).gateway
    assert (gateway.ping_ms, gateway.background_ping_ms, gateway.hello_ms) == (2000, 70000, 10000)


def test_the_command_line_wins_over_all() -> None:
    environ = {**COMPLETE, "TIDINGS_NODE__LISTEN": "127.0.0.1:1"}
    assert load(None, environ, {"node.listen": "127.0.0.1:2"}).node.listen == "127.0.0.1:2"


def test_values_are_parsed_once_here() -> None:
    environ = {**COMPLETE, "TIDINGS_NODE__LISTEN": "[::1]:99", "TIDINGS_NODE__TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    environ["TIDINGS_TOKENS__KEYS"] = f"{KEY},{OTHER_KEY}"
    settings = load(None, environ)
    assert (settings.node.listen.host, settings.node.listen.port) == ("::1", 99)
    assert [proxy.holds("10.1.2.3") for proxy in settings.node.trusted_proxies] == [True, False]
    assert [key.kid for key in settings.tokens.keys] == ["2026a", "2026b"]
    assert settings.tokens.keys[0].secret_bytes == bytes(32)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n{OTHER_KEY}\n")
    url = COMPLETE["TIDINGS_POSTGRES__URL"]
    settings = load(None, {"TIDINGS_POSTGRES__URL": url, "TIDINGS_TOKENS__KEYS_FILE": str(file)})
    assert settings.tokens.keys == (SigningKey(KEY), SigningKey(OTHER_KEY))


def test_a_secret_in_two_places_is_refused(tmp_path: Path) -> None:
    told = refusal(environ={"TIDINGS_TOKENS__KEYS_FILE": str(tmp_path / "keys")})
    assert told == "TIDINGS_TOKENS__KEYS and TIDINGS_TOKENS__KEYS_FILE are both set: remove one of them."


def test_a_private_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        load(None, {"TIDINGS_POSTGRES__URL_FILE": str(tmp_path / "none")})
    assert str(caught.value).startswith(f"TIDINGS_POSTGRES__URL_FILE names {tmp_path / 'none'}, which cannot be read")


def test_only_secrets_may_stand_in_files() -> None:
    assert "TIDINGS_LOG__LEVEL_FILE in the environment is no setting" in refusal(
        environ={"TIDINGS_LOG__LEVEL_FILE": "x"}
    )


@pytest.mark.parametrize("name", ["postgres.url", "tokens.keys"])
def test_a_missing_setting_is_named_with_what_to_set(name: str) -> None:
    environ = {key: value for key, value in COMPLETE.items() if key != SETTINGS[name].variable}
    with pytest.raises(SettingError) as caught:
        load(None, environ)
    assert str(caught.value) == f"{name} ({SETTINGS[name].variable}) is not set: set it to {SETTINGS[name].expects}."


def test_a_wrong_value_is_shown_with_its_place_and_its_range(tmp_path: Path) -> None:
    path = written(tmp_path, "[gateway]\nping_ms = 5\n")
    assert refusal(path) == (
        f"gateway.ping_ms (TIDINGS_GATEWAY__PING_MS) is 5 in {path}: set it to a whole number from 50 to 100000."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node.listen", "8080"),
        ("node.listen", "::1:8080"),
        ("node.listen", "localhost:70000"),
        ("node.address", "node1"),
        ("node.address", "{port}"),
        ("node.address", "10.0.0.1:{number}"),
        ("node.url", "https://node1.example.com/v1/socket"),
        ("node.url", "wss:///v1/socket"),
        ("node.url", "wss://node1.example.com"),
        ("node.url", "wss://node1.example.com:99999/v1/socket"),
        ("node.trusted_proxies", "10.0.0.1/8"),
        ("feed.introduce", "not-a-name"),
        ("feed.introduce", ",".join(["alice"] * 21)),
        ("gateway.origins", "app.example.com"),
        ("gateway.origins", "https://app.example.com/"),
        ("gateway.origins", "*"),
        ("gateway.burst", "many"),
        ("gateway.burst", "-1"),
        ("gateway.send_budget", str(MAX_SERVER_MESSAGE - 1)),
        ("log.level", "loud"),
    ],
)
def test_every_wrong_value_is_told_with_what_is_expected(name: str, value: str) -> None:
    setting = SETTINGS[name]
    told = refusal(environ={setting.variable: value})
    assert told == f'{setting} is "{value}" in the environment: set it to {setting.expects}.'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("postgres.url", "mysql://root:hunter2@db"),
        ("nats.url", "http://root:hunter2@bus:4222"),
        ("nats.url", "nats://root:hunter2@"),
        ("nats.url", "nats://root:hunter2@bus:hunter2"),
        ("redis.url", "http://root:hunter2@cache:6379"),
        ("redis.url", "unix://hunter2"),
        ("tokens.keys", "a:hunter2"),
        ("tokens.keys", "hunter2"),
        ("tokens.keys", ":" + "A" * 44),
        ("tokens.keys", "a:" + "A" * 40),
    ],
)
def test_a_wrong_secret_is_told_without_its_value(name: str, value: str) -> None:
    setting = SETTINGS[name]
    told = refusal(environ={setting.variable: value})
    assert told == f"{setting} is wrong in the environment: set it to {setting.expects}."


def test_a_value_of_the_wrong_type_in_the_file_is_refused(tmp_path: Path) -> None:
    assert 'is "25000" in' in refusal(written(tmp_path, '[gateway]\nping_ms = "25000"\n'))
    assert "node.listen (TIDINGS_NODE__LISTEN) is 8080 in" in refusal(written(tmp_path, "[node]\nlisten = 8080\n"))


def test_an_unknown_name_in_the_file_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "[log]\nlevle = 'info'\n")
    assert refusal(path) == f"log.levle in {path} is no setting: remove or rename it; [log] has level."
    assert refusal(written(tmp_path, "[gatway]\n")).startswith(f"gatway in {path} is no setting")
    assert refusal(written(tmp_path, "ping_ms = 5\n")).startswith(f"ping_ms in {path} is no setting")


def test_an_unknown_name_in_the_environment_is_refused() -> None:
    told = refusal(environ={"TIDINGS_LOG_LEVEL": "info"})
    assert told.startswith("TIDINGS_LOG_LEVEL in the environment is no setting")


def test_other_programs_variables_are_left_alone() -> None:
    assert load(None, {**COMPLETE, "HOME": "/nowhere", "POSTGRES_URL": "x"}).log.level == "info"


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml").startswith(f"The settings file {tmp_path / 'none.toml'} cannot be read")
    assert "cannot be read" in refusal(written(tmp_path, "[gateway"))


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert "set it to no less than gateway.ping_ms, which is 60000" in refusal(gateway__ping_ms=60_000)
    assert "set it to no less than gateway.requests_per_s" in refusal(gateway__burst=1)
    assert refusal(gateway__ring_bytes=524_287) == (
        "gateway.ring_bytes (TIDINGS_GATEWAY__RING_BYTES) is 524287: "
        "set it to no less than gateway.send_budget, which is 524288."
    )
    assert "set it to no less than gateway.ring_bytes" in refusal(gateway__node_ring_bytes=4_096)
    assert "the same as node.listen" in refusal(node__listen="127.0.0.1:8180")
    assert "names a key id twice" in refusal(tokens__keys=[KEY, KEY])


def test_a_provider_of_pushes_is_whole_or_off() -> None:
    assert refusal(push__vapid_key=VAPID) == (
        "push.vapid_contact (TIDINGS_PUSH__VAPID_CONTACT) is not set, and push.vapid_key is: "
        "set it to mailto:you@example.com, or an https URL."
    )
    assert "push.apns_key_id (TIDINGS_PUSH__APNS_KEY_ID) is not set" in refusal(push__apns_key=pem(EC))
    assert "push.email_from" in refusal(push__smtp_url="smtp://mail.example.com")
    assert load(None, COMPLETE, {"push.vapid_key": VAPID, "push.vapid_contact": "mailto:a@b"}).push.vapid_key == VAPID


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("push.apns_key", "-----BEGIN PRIVATE KEY-----"),
        ("push.apns_key", pem(RSA)),
        ("push.apns_key_id", "ABC/DEF"),
        ("push.apns_url", "http://api.push.apple.com"),
        ("push.apns_url", "https://api.push.apple.com/3"),
        ("push.apns_url", "https://ada@api.push.apple.com"),
        ("push.fcm_account", "{}"),
        ("push.fcm_account", "[]"),
        ("push.fcm_account", "no JSON"),
        ("push.fcm_account", account(private_key=pem(EC))),
        ("push.fcm_account", account(project_id="a/b")),
        ("push.fcm_account", account(token_uri="http://oauth2.googleapis.com/token")),
        ("push.vapid_key", VAPID + "AAAA"),
        ("push.vapid_key", "A" * 43),
        ("push.vapid_key", "%"),
        ("push.vapid_contact", "ada@example.com"),
        ("push.smtp_url", "http://mail.example.com"),
        ("push.smtp_url", "smtp://mail.example.com/path"),
        ("push.email_from", "Ada <ada@example.com>"),
    ],
)
def test_what_no_provider_would_take_ends_the_start(name: str, value: str) -> None:
    told = refusal(environ={SETTINGS[name].variable: value})
    assert told.startswith(f"{SETTINGS[name]} is ")
    assert told.endswith(f" in the environment: set it to {SETTINGS[name].expects}.")
    assert not SETTINGS[name].is_secret or value not in told


def test_what_providers_give_out_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "key.p8"
    file.write_text(pem(EC))
    apns = {"TIDINGS_PUSH__APNS_KEY_FILE": str(file), "TIDINGS_PUSH__APNS_KEY_ID": "ABC123DEFG"}
    apns |= {"TIDINGS_PUSH__APNS_TEAM_ID": "DEF123GHIJ", "TIDINGS_PUSH__APNS_TOPIC": "com.example.app"}
    push = load(None, COMPLETE | apns | {"TIDINGS_PUSH__FCM_ACCOUNT": account()}).push
    assert push.apns_key == pem(EC).strip()
    assert push.fcm_account.parts["client_email"] == "a@b"
    assert "PRIVATE" not in repr(push)


def test_secrets_do_not_show_in_the_representation() -> None:
    shown = repr(load(None, COMPLETE | {"TIDINGS_NATS__URL": "nats://tidings:hunter2@bus:4222"}))
    assert "hunter2" not in shown
    assert repr(bytes(32)) not in shown
    assert "AAAA" not in shown


def test_the_nodes_of_a_supervisor_follow_from_the_listening_address() -> None:
    node = load(None, COMPLETE | {"TIDINGS_NODE__LISTEN": "[::1]:8080"}).node
    assert [node.own_port(number) for number in (0, 1, 2)] == [8080, 8081, 8082]
    assert node.address_of(2) == Address("[::1]:8082")
    assert node.url_of(2) == "ws://[::1]:8082/v1/socket"
    assert node.private_of(2) == Address("127.0.0.1:8182")


def test_a_node_may_be_reached_elsewhere_than_it_listens() -> None:
    reached = {"TIDINGS_NODE__URL": "wss://n1.example.com/v1/socket", "TIDINGS_NODE__ADDRESS": "10.0.0.1:8081"}
    node = load(None, COMPLETE | reached).node
    assert node.url_of(0) == "wss://n1.example.com/v1/socket"
    assert (node.address_of(0), node.address_of(0).port) == ("10.0.0.1:8081", 8081)


def test_several_nodes_may_be_reached_elsewhere_by_their_own_ports() -> None:
    reached = {"TIDINGS_NODE__URL": "wss://example.com/{port}/v1/socket", "TIDINGS_NODE__ADDRESS": "10.0.0.1:{port}"}
    node = load(None, COMPLETE | reached | {"TIDINGS_NODE__LISTEN": "0.0.0.0:8080"}).node
    assert [node.url_of(number) for number in (1, 2)] == [
        f"wss://example.com/{port}/v1/socket" for port in (8081, 8082)
    ]
    assert [node.address_of(number) for number in (1, 2)] == ["10.0.0.1:8081", "10.0.0.1:8082"]


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().log.level = "debug"  # type: ignore[misc]


def test_the_example_is_complete_and_holds_the_defaults() -> None:
    document = tomllib.loads(EXAMPLE.read_text())
    assert {f"{section}.{field}" for section, fields in document.items() for field in fields} == set(SETTINGS)
    assert load(EXAMPLE, {}, required=()) == Settings()


def test_values_compare_by_what_they_mean() -> None:
    assert Network("10.0.0.0/8") == Network("10.0.0.0/8") != Network("10.0.0.0/9")
    assert len({SigningKey(KEY), SigningKey(KEY), SigningKey(OTHER_KEY)}) == 2
    assert repr(Network("10.0.0.1")) == "Network('10.0.0.1/32')"
    assert Address("localhost:0").port == 0
    assert Address("[::1]:8180").at(8281) == Address("[::1]:8281")

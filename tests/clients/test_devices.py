"""How the client names devices; `tests/server/push/test_end_to_end.py` registers them at a real server."""

from tests.clients.answering import Answering, served
from tidings_client import Devices


async def test_what_is_no_id_leads_to_no_other_route() -> None:
    server = Answering({})
    async with served(server.handle) as login:
        await Devices(login).forget("7/../../logins/current")
    assert server.asked == [("DELETE", "/v1/devices/7%2F..%2F..%2Flogins%2Fcurrent", None)]

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from netsim.emulate.certificates import Authority
from p2player.counters import Counters
from p2player.doctor.endpoint import _dated, endpoint_finding
from p2player.doctor.finding import Finding
from p2player.pull.memory import MemoryLibrary
from p2player.registry.certificates import EndpointTls
from p2player.registry.endpoint import Endpoint
from p2player.registry.guard import Guard
from tests.doctor.conftest import answering


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "authority").mkdir()
    return Authority(tmp_path / "authority")


@pytest.fixture
async def endpoint(tmp_path):
    """Start an endpoint that asks for a token, and return its HOST:PORT."""
    (tmp_path / "tokens").write_text("token-0123456789abcdef")
    running = []

    async def start(tls=None):
        endpoint = Endpoint(MemoryLibrary(), Counters(), guard=Guard.open(tmp_path / "tokens", Counters()), tls=tls)
        running.append(endpoint)
        host, port = await endpoint.start("127.0.0.1", 0)
        return f"{host}:{port}"

    yield start
    for each in running:
        await each.close()


async def test_an_endpoint_that_answers_is_fine(status):
    async with answering() as address:
        assert (await endpoint_finding(replace(status, registry=address))).state == "ok"
        anywhere = address.replace("127.0.0.1", "0.0.0.0")
        assert address in (await endpoint_finding(replace(status, registry=anywhere))).message


async def test_what_answers_otherwise_is_no_endpoint(status):
    async with answering(503) as address:
        finding = await endpoint_finding(replace(status, registry=address))
    assert finding.state == "fail"
    assert "503" in finding.message


async def test_an_endpoint_that_does_not_answer_is_a_failure(status, closed):
    assert (await endpoint_finding(replace(status, registry=closed))).state == "fail"


async def test_an_endpoint_that_asks_for_a_token_is_fine_and_another_401_is_not(status, endpoint):
    asking = replace(status, registry=await endpoint(), registry_asks=("token",))
    finding = await endpoint_finding(asking)
    assert (finding.state, "with a token" in finding.message) == ("ok", True)
    async with answering(401) as address:
        assert (await endpoint_finding(replace(asking, registry=address))).state == "fail"


async def test_an_endpoint_over_tls_is_asked_over_tls_and_its_expiry_is_told(status, endpoint, authority):
    address = await endpoint(EndpointTls(*authority.issue("127.0.0.1")))
    finding = await endpoint_finding(replace(status, registry=address, registry_asks=("tls", "token")))
    assert finding.state == "warn"  # the authority lives for a day
    assert "expires at" in finding.message
    assert (await endpoint_finding(replace(status, registry=address))).state == "fail"


async def test_an_endpoint_that_asks_for_certificates_shows_its_own_all_the_same(status, endpoint, authority):
    address = await endpoint(EndpointTls(*authority.issue("127.0.0.1"), authority.ca))
    finding = await endpoint_finding(replace(status, registry=address, registry_asks=("tls", "certificate")))
    assert (finding.state, "expires at" in finding.message) == ("warn", True)


async def test_what_speaks_no_tls_fails(status):
    async with answering() as address:
        assert (await endpoint_finding(replace(status, registry=address, registry_asks=("tls",)))).state == "fail"


@pytest.mark.parametrize(("days", "state"), [(15, "ok"), (13, "warn"), (-1, "fail")])
def test_a_certificate_is_to_be_renewed_in_time(days, state):
    finding = _dated(Finding("endpoint", "ok", "fine"), datetime.now(UTC) + timedelta(days=days))
    assert finding.state == state
    assert ("--registry-cert" in finding.fix) is (state != "ok")

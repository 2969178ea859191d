import asyncio
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest

from p2player.errors import (
    AccessDenied,
    BlobNotFound,
    LoginRequired,
    NotFound,
    ReferenceNotFound,
    Unavailable,
    UpstreamUnreachable,
)
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.pull.access.access import Access
from p2player.pull.access.owners import Owners
from p2player.tasks import Tasks
from p2player.upstream.memory import MemoryUpstreams
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings

OPEN = Repository("registry.corp", "open")
CLOSED = Repository("registry.corp", "closed")
ABSENT = Repository("registry.corp", "absent")
ELSEWHERE = Repository("other.example", "x")
CORP = UpstreamSettings("registry.corp", ("https://registry.corp",))
GOOD, BAD, OTHERS = Login("Basic Z29vZA=="), Login("Basic YmFk"), Login("Basic b3RoZXI=")
LAYER = bytes(range(256)) * 500
DIGEST = Digest.of(LAYER)


class Place:
    """One node before a registry with an open and a closed repository, both with the same layer."""

    def __init__(self, cluster):
        self.registry = cluster.registry
        self.node = cluster.add()
        self.store = self.node.store
        self.owners = Owners(self.store, self.node.holdings)
        for repository in (OPEN, CLOSED):
            self.registry.put(repository, LAYER)
        self.registry.make_private(CLOSED, GOOD)
        self.registry.make_private(Repository("registry.corp", "third"), OTHERS)

    def access(self, *settings, credentials=None):
        logins = {"registry.corp": credentials} if credentials else {}
        self.upstreams = MemoryUpstreams(self.registry, *(settings or (CORP,)), credentials=logins)
        return Access(self.upstreams, self.store, self.owners, self.node.counters)

    def hold(self, *origins, data=LAYER):
        digest = Digest.of(data)
        self.store.put(digest, data)
        for repository, private in origins:
            self.store.add_origin(digest, str(repository), private)
        return digest

    @property
    def asked(self):
        return len(self.registry.askers)


@pytest.fixture
async def place(cluster):
    place = Place(cluster)
    yield place
    await place.owners.close()


async def outcome(awaitable):
    try:
        return await awaitable
    except (AccessDenied, LoginRequired, NotFound, Unavailable) as error:
        return type(error)


def expected(repository, asker, *, up, policy, credentials):
    """In whose name a registry that nothing is known of may be asked."""
    if not up:
        return UpstreamUnreachable
    if repository == OPEN:
        return "anonymous"
    whose = credentials if "node" in {policy, asker} else asker
    if repository == ABSENT and whose != BAD:
        return BlobNotFound
    refused = AccessDenied if policy == "node" or whose == OTHERS else LoginRequired
    return refused if whose != GOOD else "node" if "node" in {policy, asker} else GOOD


CASES = list(
    product(
        (OPEN, CLOSED, ABSENT),
        ("anonymous", GOOD, BAD, OTHERS, "node"),
        (True, False),
        ("client", "node"),
        (None, GOOD, BAD, OTHERS),
    )
)


@pytest.mark.parametrize(("repository", "asker", "up", "policy", "credentials"), CASES)
async def test_registry_is_asked_in_the_name_of_who_may(place, repository, asker, up, policy, credentials):
    access = place.access(replace(CORP, login=policy), credentials=credentials)
    if not up:
        place.registry.faults["registry.corp"] = "down"
    found = await outcome(access.admit(repository, DIGEST, "blobs", asker))
    assert found == expected(repository, asker, up=up, policy=policy, credentials=credentials)
    assert place.store.is_private(DIGEST) is (repository == CLOSED and found in {GOOD, "node"})


def expected_for(repository, asker, origins, *, flagged, up, stale_access, admitted):
    """What comes of asking for a digest: None lets the client have it."""
    if any(not private for _, private in origins) or not (origins or flagged):
        return None
    if repository == ELSEWHERE:
        return AccessDenied
    if not up:
        known = admitted and repository == CLOSED and asker == GOOD and (str(CLOSED), True) in origins
        return None if known and stale_access else UpstreamUnreachable
    if repository == ABSENT and asker != BAD:
        return BlobNotFound
    if repository == OPEN or asker == GOOD:
        return None
    return AccessDenied if asker == OTHERS else LoginRequired


@pytest.mark.parametrize("stale_access", [True, False], ids=["stale access", "no stale access"])
@pytest.mark.parametrize("admitted", [True, False], ids=["admitted before", "not admitted before"])
@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
async def test_digest_is_given_to_who_may_have_it(cluster, stale_access, admitted, up):
    origins = ([], [(str(CLOSED), True)], [(str(CLOSED), True), (str(OPEN), False)], [("", False)], [("", True)])
    askers = ("anonymous", GOOD, BAD, OTHERS)
    places = Counter()
    for number, case in enumerate(product((OPEN, CLOSED, ABSENT, ELSEWHERE), askers, origins, (True, False))):
        repository, asker, known, flagged = case
        if not number % len(origins):
            place = Place(cluster)
        place.registry.faults.clear()
        data = LAYER + bytes([number])
        for there in (OPEN, CLOSED):
            place.registry.put(there, data)
        access = place.access(replace(CORP, stale_access=stale_access))
        if admitted:
            await access.admit(CLOSED, Digest.of(LAYER), "blobs", GOOD)
            await asyncio.sleep(CORP.access_ttl + 1)
        if not up:
            place.registry.faults["registry.corp"] = "down"
        digest = place.hold(*known, data=data)
        found = await outcome(access.allow(digest, repository, "blobs", asker, flagged=flagged))
        wanted = expected_for(
            repository, asker, known, flagged=flagged, up=up, stale_access=stale_access, admitted=admitted
        )
        assert found == wanted, case
        places[found] += 1
        await place.owners.close()
    assert len(places) > 1


async def test_open_repository_is_not_asked_again_for_an_hour(place):
    access = place.access()
    for _ in range(3):
        assert await access.admit(OPEN, DIGEST, "blobs", BAD) == "anonymous"
    assert place.asked == 1
    await asyncio.sleep(3600)
    await access.admit(OPEN, DIGEST, "blobs", "anonymous")
    assert place.asked == 2


async def test_open_repository_is_asked_with_the_nodes_account_if_it_has_a_good_one(place):
    access = place.access(credentials=GOOD)
    assert [await access.admit(OPEN, DIGEST, "blobs", BAD) for _ in range(2)] == ["anonymous", "node"]


async def test_bad_account_of_the_node_does_not_stand_in_the_way(place):
    access = place.access(credentials=BAD)

    async def question(who):
        return await place.upstreams.check(OPEN, DIGEST, "blobs", who)

    assert [(await access.ask(OPEN, BAD, question)).asker for _ in range(3)] == ["anonymous"] * 3
    assert place.registry.askers.count("node") == 1


async def test_good_login_is_checked_once_in_a_while(place):
    access = place.access()
    await access.admit(CLOSED, DIGEST, "blobs", GOOD)
    before = place.asked
    for _ in range(5):
        assert await access.admit(CLOSED, DIGEST, "blobs", GOOD) == GOOD
        await access.allow(DIGEST, CLOSED, "blobs", GOOD)
    assert place.asked == before
    await asyncio.sleep(CORP.access_ttl)
    await access.admit(CLOSED, DIGEST, "blobs", GOOD)
    assert place.asked == before + 1


async def test_login_that_is_taken_back_is_refused_after_a_while(place):
    access = place.access()
    await access.admit(CLOSED, DIGEST, "blobs", GOOD)
    place.registry.make_private(CLOSED, OTHERS)
    await asyncio.sleep(CORP.access_ttl)
    with pytest.raises(LoginRequired):
        await access.admit(CLOSED, DIGEST, "blobs", GOOD)
    place.registry.faults["registry.corp"] = "down"
    with pytest.raises(Unavailable):
        await place.access(replace(CORP, stale_access=True)).allow(DIGEST, CLOSED, "blobs", GOOD)


async def test_bad_login_is_refused_with_what_the_registry_wants_while_all_is_here(place):
    digest = place.hold((CLOSED, True))
    with pytest.raises(LoginRequired) as caught:
        await place.access().allow(digest, CLOSED, "blobs", BAD)
    assert caught.value.challenge == 'Basic realm="registry.corp"'
    assert place.node.counters.events == {"access.refused": 1}


async def test_many_clients_with_one_login_ask_once(place):
    place.registry.latency = 1.0
    digest = place.hold((CLOSED, True))
    access = place.access()
    await asyncio.gather(*(access.allow(digest, CLOSED, "blobs", GOOD) for _ in range(64)))
    assert place.registry.askers == [GOOD]


async def test_client_that_hangs_up_does_not_fail_those_who_wait(place):
    place.registry.latency = 1.0
    access = place.access()
    digest = place.hold((CLOSED, True))
    clients = Tasks("clients")
    first, second = (clients.spawn(access.allow(digest, CLOSED, "blobs", GOOD), "client") for _ in range(2))
    await asyncio.sleep(0.5)
    first.cancel()
    await second


async def test_digest_of_another_private_repository_is_asked_for_there(place):
    access = place.access()
    await access.admit(CLOSED, DIGEST, "blobs", GOOD)
    secret = place.hold((Repository("registry.corp", "third"), True), data=b"the third's own")
    with pytest.raises(BlobNotFound):
        await access.allow(secret, CLOSED, "blobs", GOOD)
    with pytest.raises(BlobNotFound):
        await access.admit(CLOSED, secret, "blobs", GOOD)


async def test_private_digest_under_an_open_name_that_lacks_it_is_not_found(place):
    access = place.access()
    await access.admit(OPEN, DIGEST, "blobs", "anonymous")
    secret = place.hold((CLOSED, True), data=b"not open")
    with pytest.raises(BlobNotFound):
        await access.allow(secret, OPEN, "blobs", "anonymous")
    with pytest.raises(ReferenceNotFound):
        await access.allow(secret, OPEN, "manifests", GOOD)


async def test_private_digest_that_an_open_repository_has_is_private_no_more_and_announced_so(place, cluster):
    access = place.access()
    digest = place.hold((CLOSED, True))
    await place.node.holdings.announce(place.store.blobs())
    other = cluster.add()
    assert [record.private for record in await other.discovery.find(digest)] == [True]
    await access.allow(digest, OPEN, "blobs", "anonymous")
    await asyncio.sleep(0)
    assert not place.store.is_private(digest)
    await asyncio.sleep(1)
    assert [record.private for record in await other.discovery.find(digest)] == [False]
    place.registry.faults["registry.corp"] = "down"
    await access.allow(digest, CLOSED, "blobs", "anonymous")


async def test_what_a_private_repository_opens_to_everybody_is_open(place):
    access = place.access()
    digest = place.hold((CLOSED, True))
    place.registry.make_public(CLOSED)
    await access.allow(digest, CLOSED, "blobs", "anonymous")
    assert not place.store.is_private(digest)
    other = place.hold((CLOSED, True), data=b"removed upstream long ago")
    with pytest.raises(BlobNotFound):
        await access.allow(other, CLOSED, "blobs", "anonymous")


async def test_repository_is_known_to_be_private_after_a_restart(place):
    await place.access().admit(CLOSED, DIGEST, "blobs", GOOD)
    before = place.asked
    assert await place.access().admit(CLOSED, DIGEST, "blobs", GOOD) == GOOD
    assert place.registry.askers[before:] == [GOOD]


async def test_machines_admin_may_have_what_is_here(place):
    digest = place.hold((CLOSED, True))
    await place.access().allow(digest, None, "blobs", "node")
    assert place.asked == 0


async def test_private_digest_that_the_admin_fetches_stays_private(place):
    await place.access().allow(DIGEST, None, "blobs", "node", flagged=True)
    place.hold()
    assert place.store.is_private(DIGEST)
    with pytest.raises(LoginRequired):
        await place.access().allow(DIGEST, CLOSED, "blobs", "anonymous")
    await place.access().allow(DIGEST, CLOSED, "blobs", GOOD)


async def test_private_digest_is_not_given_out_under_a_registry_that_cannot_be_asked(place):
    access = place.access()
    digest = place.hold((CLOSED, True))
    with pytest.raises(AccessDenied) as caught:
        await access.admit(ELSEWHERE, digest, "blobs", "anonymous")
    assert "--upstream other.example=" in caught.value.hint
    assert await access.admit(ELSEWHERE, Digest.of(b"public"), "blobs", "anonymous") == "anonymous"


WILD = UpstreamSettings("other.example", ("https://other.example",), public_only=True)


@pytest.mark.parametrize("logins", [(), (OTHERS,)], ids=["open", "closed"])
async def test_registry_of_anybodys_choice_must_show_that_it_has_what_is_private(place, logins):
    access = place.access(CORP, WILD)
    digest = place.hold((CLOSED, True))
    place.registry.put(ELSEWHERE, LAYER)
    if logins:
        place.registry.make_private(ELSEWHERE, *logins)
    place.registry.wrong[digest] = bytes(len(LAYER))
    asker = OTHERS if logins else "anonymous"
    for _ in range(2):
        await outcome(access.admit(ELSEWHERE, digest, "blobs", asker))
        with pytest.raises(BlobNotFound, match="not shown"):
            await access.allow(digest, ELSEWHERE, "blobs", asker)
    assert place.store.is_private(digest)
    del place.registry.wrong[digest]
    await access.allow(digest, ELSEWHERE, "blobs", asker)


async def test_registry_of_anybodys_choice_is_not_believed_of_what_others_say_is_private(place):
    access = place.access(CORP, WILD)
    place.registry.put(ELSEWHERE, LAYER)
    await access.admit(ELSEWHERE, DIGEST, "blobs", "anonymous")
    with pytest.raises(BlobNotFound):
        await access.allow(DIGEST, ELSEWHERE, "blobs", "anonymous", flagged=True)


async def test_well_known_registry_is_believed_though_nobody_configured_it(place):
    hub = Repository("docker.io", "library/x")
    access = place.access(CORP, replace(WILD, registry="docker.io"))
    place.registry.put(hub, LAYER)
    await access.allow(DIGEST, hub, "blobs", "anonymous", flagged=True)
    digest = place.hold((CLOSED, True), data=b"not on the hub")
    with pytest.raises(BlobNotFound):
        await access.allow(digest, hub, "blobs", "anonymous")
    assert not place.registry.opened


async def test_registry_of_anybodys_choice_decides_over_its_own(place):
    access = place.access(CORP, WILD)
    place.registry.put(ELSEWHERE, LAYER)
    place.registry.make_private(ELSEWHERE, GOOD)
    digest = place.hold((ELSEWHERE, True))
    await access.allow(digest, ELSEWHERE, "blobs", GOOD)
    with pytest.raises(LoginRequired):
        await access.allow(digest, ELSEWHERE, "blobs", BAD)
    assert not place.registry.opened

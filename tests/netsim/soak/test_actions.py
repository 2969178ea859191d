from random import Random
from types import SimpleNamespace

import pytest

from netsim.emulate.processes import ProgramError
from netsim.image import Image
from netsim.soak.actions import ACTIONS
from netsim.soak.clients import RefusedError, WrongError
from netsim.soak.member import BusyError, Member
from netsim.soak.world import Named
from p2player.errors import BlobNotFound, P2PlayerError


@pytest.fixture
def member(tmp_path):
    return Member(0, tmp_path / "node", ())


@pytest.fixture
def world(member, tmp_path):
    named = Named(Image(tmp_path, "sha256:m", {"sha256:m": 9, "sha256:l": 90}), "registry.example", "app")
    return SimpleNamespace(members=[member], mortals=[member], images=[named], seeded=[named])


@pytest.mark.parametrize("name", [name for name in ACTIONS if name != "registry"])
def test_nothing_can_be_done_with_a_node_that_does_not_run(world, member, name):
    with member.changing(), pytest.raises((BusyError, RefusedError)):
        ACTIONS[name].choose(world, Random(1))()


def test_the_same_seed_draws_the_same(world):
    states = set()
    for _ in range(2):
        rng = Random(5)
        for action in ACTIONS.values():
            action.choose(world, rng)
        states.add(rng.getstate())
    assert len(states) == 1


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("p2player fetch: exit 3\nerror: no node has it\n", RefusedError),
        ("p2player fetch: exit 1\nerror: unexpected KeyError\n", WrongError),
    ],
)
def test_a_command_may_fail_but_not_with_a_bug(world, member, monkeypatch, output, kind):
    def fail(*_):
        raise ProgramError(output)

    monkeypatch.setattr(member, "p2player", fail)
    with pytest.raises(kind):
        ACTIONS["fetch"].choose(world, Random(1))()


@pytest.mark.parametrize(("error", "kind"), [(BlobNotFound("x"), RefusedError), (P2PlayerError("x"), WrongError)])
def test_a_question_may_fail_but_not_with_a_bug(world, member, monkeypatch, error, kind):
    def fail(*_):
        raise error

    monkeypatch.setattr(member, "ask", fail)
    with pytest.raises(kind):
        ACTIONS["evict"].choose(world, Random(1))()


@pytest.mark.parametrize("damaged", [False, True])
def test_wrong_bytes_are_held_against_a_node_unless_its_disk_has_some(world, member, monkeypatch, damaged):
    def pull(*_, **__):
        raise WrongError("other bytes")

    monkeypatch.setattr("netsim.soak.actions.Client.pull", pull)
    member._daemon = SimpleNamespace(registry="127.0.0.1:1")
    member.damages = int(damaged)
    with pytest.raises(RefusedError if damaged else WrongError):
        ACTIONS["pull"].choose(world, Random(1))()


@pytest.mark.parametrize("finds", [True, False])
def test_a_damaged_blob_has_to_be_found(world, member, monkeypatch, finds):
    digest = "sha256:" + "ab" * 32
    path = member.data_dir / "store" / "blobs" / "sha256" / ("ab" * 32)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"right")
    monkeypatch.setattr(member, "blobs", lambda: [digest])
    monkeypatch.setattr(member, "verify", lambda: [digest] if finds else [])
    job = ACTIONS["damage"].choose(world, Random(1))
    if finds:
        job()
    else:
        with pytest.raises(WrongError):
            job()
    assert path.read_bytes() != b"right"
    assert member.damages == 2

"""What the conversations with a hunt are about: nodes by their number, and what they claim of one blob."""

from unittest.mock import ANY

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.fetch.holders import Claim, Holder
from p2player.pull.fetch.hunt import Begin, Hunt, Look
from p2player.pull.fetch.pace import FIRST_LOOKS
from p2player.pull.integrity.dispute import Standing, Verdict
from p2player.swarm.metainfo import Metainfo

DIGEST = Digest.of(b"blob")
TRUE = Metainfo(DIGEST, 1_000_000, b"t" * 32)
LIE = Metainfo(DIGEST, 1_000_000, b"l" * 32)
OTHER_LIE = Metainfo(DIGEST, 2_000_000, b"o" * 32)


def node(number):
    return NodeId(bytes([number]) * 20)


def holder(number, *, complete=True):
    address = f"10.0.0.{number}"
    return Holder((address, 7401), complete, node(number), (address, 7400))


def claim(metainfo, *numbers):
    return Claim(metainfo, tuple(map(holder, numbers)))


def begun(*claims, banned=()):
    """Return a hunt that fetches by the first of claims, at time 0, and has had its first looks."""
    hunt = Hunt(DIGEST, frozenset(map(node, banned)), 0.0)
    (command,) = hunt.found(claims, 0.0)
    assert isinstance(command, Begin)
    now = 0.0
    for pause in FIRST_LOOKS:
        now += pause
        hunt.received(now)
        assert hunt.tick(now) == [Look(ANY)]
        assert hunt.found(claims, now) == []
    return hunt, now


def verdict(refuted=(), **standings):
    named = {"true": TRUE, "lie": LIE, "other": OTHER_LIE}
    standings = {"true": Standing.UNHEARD, "lie": Standing.UNHEARD} | standings
    return Verdict(dict.fromkeys(map(node, refuted), "lied"), {named[name]: how for name, how in standings.items()})

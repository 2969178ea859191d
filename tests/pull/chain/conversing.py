"""Conversations with a course: what it hears, of nodes that are numbered, and what it answers."""

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.shape import NO_SOURCE
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.chain.course import Course
from p2player.pull.chain.order import Order

DIGEST = Digest.of(b"blob")
SIZE = 100_000_000


def neighbour(number):
    return Neighbour(NodeId(bytes([number]) * 20), f"10.0.0.{number}", 7400)


# Nodes in the order in which they would go to the registry if they began at the same moment.
FIRST, SECOND, THIRD, FOURTH = sorted(map(neighbour, range(1, 5)), key=lambda it: Order(DIGEST, it.node).rank(it.node))


def course(me, *, has_origin=True):
    return Course(DIGEST, me.node, has_origin=has_origin, now=0.0)


def at(offset, *, depth=NO_SOURCE, followers=0, head=None, before=()):
    return Standing(SIZE, offset, Place(depth, head.node if head else None, tuple(before)), followers)


def begun(me, standings, *, has_origin=True, now=0.0):
    """Return a course that has sighted and heard these nodes, and what it answers to that."""
    course_ = course(me, has_origin=has_origin)
    (asked,) = course_.sighted(standings, now)
    assert set(asked.neighbours) == set(standings)
    answers = [course_.answered(each.node, standing, now) for each, standing in standings.items()]
    assert not any(answers[:-1])
    return course_, answers[-1]


def following(me, source, before=(), others=()):
    """Return a course that has had 1500 bytes, until second 1, from a source that takes it over these, nearest first."""
    course_, _ = begun(me, {source: at(3000, depth=len(before))} | {each: at(0, depth=9) for each in others})
    assert course_.followed == source
    course_.let_in(at(3000, depth=len(before), before=before), 0.5)
    course_.moved(1500, 1.0)
    return course_

from dataclasses import dataclass
from random import Random
from sys import getsizeof

from netsim.simulate.memory import deep_size


@dataclass(slots=True)
class _Slotted:
    held: object


def test_what_is_held_counts_once():
    text = "x" * 1000

    assert deep_size([[text, text]]) == getsizeof([text, text]) + getsizeof(text)


def test_slots_and_attributes_are_followed():
    class Plain:
        def __init__(self, held):
            self.held = held

    big = bytes(10_000)

    assert deep_size([_Slotted(big)]) > 10_000
    assert deep_size([Plain({"key": (big,)})]) > 10_000


def test_what_is_called_and_drawn_from_does_not_count():
    assert deep_size([_Slotted(Random(1))]) < 100
    assert deep_size([_Slotted(lambda: None)]) < 100

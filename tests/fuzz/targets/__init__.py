"""Every parser that sees the network or a user's file."""

from collections.abc import Mapping
from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import dht, endpoint, files, images, interface, peers, statements, upstreams

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target
    for module in (dht, endpoint, files, images, interface, peers, statements, upstreams)
    for target in module.TARGETS
}

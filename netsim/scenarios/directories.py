"""What the DHT is asked: does it find what is there, how fast, and who bears the load."""

from typing import Final

from netsim.scenarios.directory import Directory, DirectoryGoals
from netsim.scenarios.options import Options

_SIZES: Final = (100, 300, 1000, 3000, 10_000)
_MANY_LAYERED: Final = 100  # nodes: what each has to do hardly depends on how many there are, but their memory adds up
_DEAD: Final = (0.0, 0.1, 0.2, 0.4)


def sizes_up_to(nodes: int) -> tuple[int, ...]:
    """Return the sizes that are tried below that one, and that one."""
    return (*(size for size in _SIZES if size < nodes), nodes)


def lookup(options: Options) -> Directory:
    """Digests are announced by one node each, then nodes die all at once, then others look for what is still there."""
    return Directory(
        "lookup",
        "How often and how fast is the only provider of a digest found, when part of the nodes has just died?",
        "lookup",
        sizes_up_to(options.nodes),
        dead=_DEAD,
        goals=DirectoryGoals(success=0.999, dead=0.2),
    )


def hot_key(options: Options) -> Directory:
    """All nodes want one digest within some seconds, and announce that they fetch it as soon as they have found it."""
    return Directory(
        "hot-key",
        "Who bears the load when all nodes look for the same digest and announce it?",
        "hot key",
        sizes_up_to(options.nodes),
        keys=1,
        seconds=10.0,
    )


def many_keys(options: Options) -> Directory:
    """Many digests, on any nodes."""
    keys = min(100_000, 100 * options.nodes)
    return Directory(
        "many-keys",
        f"How evenly are the records of {keys:,} digests spread over nodes, and lookups for them?",
        "many keys",
        (options.nodes,),
        keys=keys,
    )


def steady_state(options: Options) -> Directory:
    """Nothing happens: nodes only keep alive what they have announced."""
    nodes = min(options.nodes, _MANY_LAYERED)
    layers = min(2000, 20 * nodes)
    return Directory(
        "steady-state",
        f"What do {layers:,} layers on each node cost while nothing happens?",
        "steady state",
        (nodes,),
        keys=layers,
        seconds=30.0,
    )

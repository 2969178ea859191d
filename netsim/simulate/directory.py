"""Runs the scenarios about the DHT alone."""

import time

from netsim.results.run import DirectoryRun, Load, Lookups
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options
from netsim.simulate.loads import watch_hot_key, watch_many_keys, watch_steady_state
from netsim.simulate.lookups import watch_lookups
from netsim.telling import Tell


def simulate(directory: Directory, options: Options, *, tell: Tell) -> DirectoryRun:
    """Return what becomes of directory; the same options give the same, but for the seconds it took."""
    began = time.monotonic()
    lookups: list[Lookups] = []
    loads: list[Load] = []
    for nodes in directory.sizes:
        tell(f"{directory.name}: {nodes} nodes")
        match directory.kind:
            case "lookup":
                lookups += (watch_lookups(directory, nodes, dead, options.seed) for dead in directory.dead)
            case "hot key" | "many keys":
                watch = watch_hot_key if directory.kind == "hot key" else watch_many_keys
                found, load = watch(directory, nodes, options.seed)
                lookups.append(found)
                loads.append(load)
            case "steady state":
                loads.append(watch_steady_state(directory, nodes, options.seed))
    return DirectoryRun(directory.name, options, tuple(lookups), tuple(loads), time.monotonic() - began)

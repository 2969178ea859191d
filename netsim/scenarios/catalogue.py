"""All scenarios by their names."""

from collections.abc import Callable, Mapping
from typing import Final

from netsim.scenarios import crowds, directories, faults, rollouts, unequal
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Rollout

Scenario = Rollout | Directory
Make = Callable[[Options], Scenario]

SCENARIOS: Final[Mapping[str, Make]] = {
    "warm-flash-crowd": crowds.warm,
    "cold-flash-crowd": crowds.cold,
    "rolling-update": rollouts.rolling_update,
    "staggered": rollouts.staggered,
    "one-big-layer": rollouts.one_big_layer,
    "many-small-layers": rollouts.many_small_layers,
    "mixed-links": unequal.mixed_links,
    "two-zones": unequal.two_zones,
    "churn": faults.churn,
    "mass-failure": faults.mass_failure,
    "partition": faults.partition,
    "registry-outage": faults.registry_outage,
    "liars": faults.liars,
    "lookup": directories.lookup,
    "hot-key": directories.hot_key,
    "many-keys": directories.many_keys,
    "steady-state": directories.steady_state,
}

from random import Random

import pytest

from netsim.results.run import DirectoryRun, Load, Lookups, Pulled, Run, Traffic
from netsim.scenarios.crowds import warm
from netsim.scenarios.options import Options

OPTIONS = Options(nodes=10, seed=7, size=1 << 20, rate=8.0)


@pytest.fixture
def run():
    """Ten nodes after D* and some: one died, the slowest took twice D*."""
    bound = warm(OPTIONS).bound
    pulls = [Pulled(node, 0, 1.0, 1.0 + bound * (1 + node / 10)) for node in range(1, 10)]
    pulls[0] = Pulled(1, 0, 1.0, None, is_lost=True, reason="the node died")
    traffic = tuple(
        Traffic(node, 1000 if node else 0, 2 * OPTIONS.size if node == 0 else 100, 50, 10) for node in range(11)
    )
    return Run("warm-flash-crowd", "simulate", OPTIONS, (*pulls, Pulled(10, 0, 1.0, 1.0 + 2 * bound)), traffic, (0.0,))


@pytest.fixture
def directory_run():
    rng = Random(3)
    lookups = tuple(
        Lookups(
            nodes,
            dead,
            100,
            100 if dead < 0.3 else 97,
            tuple(rng.choice((1, 2, 2, 3)) for _ in range(100)),
            tuple(rng.uniform(0.02, 0.3) for _ in range(100)),
            12.5,
        )
        for nodes in (10, 100, 1000)
        for dead in (0.0, 0.2, 0.4)
    )
    loads = (Load(50, 1000, tuple(rng.randrange(40) for _ in range(50)), tuple(rng.randrange(9) for _ in range(50))),)
    return DirectoryRun("lookup", Options(nodes=1000), lookups, loads)

"""Which tests are tried again when they fail: those of real daemons, runtimes, processes, connections and threads.

They run against the clock, on machines that may have other things to do; a failure that does not come three times is shown as a rerun.
A wrong byte is never tried again, and neither is what runs in virtual time or without any.
"""

from pathlib import Path

import hypothesis
import pytest

from p2player.pull.fetch.holders import Claim
from tests.wrongbytes import WrongBytes

HERE = Path(__file__).parent
_FILES = {
    "": "bodies node",
    "bench": "probe",
    "doctor": "endpoint node runtimes",
    "netsim": "certificates links processes usage",
    "netsim/demo": "environment registryclient",
    "netsim/emulate": "asking",
    "netsim/results": "runner",
    "netsim/soak": "clients",
    "peer": "client connections handshakes listener relay server tls",
    "registry": "any_request bodies certificates endpoint endpoint_blobs endpoint_clients endpoint_errors spec_table",
    "runtime": "dockerd engine images programs sources",
    "store": "catalog store",
    "upstream": "asking client login port stream transport",
}
AGAINST_THE_CLOCK = [
    *(HERE / place for place in ("cli", "control", "e2e", "faults", "swarm")),
    *(HERE / place / f"test_{name}.py" for place, names in _FILES.items() for name in names.split()),
]
_TIMER = pytest.StashKey()
_FOLDERS = pytest.StashKey()

# A busy machine is no failure of what is tried.
hypothesis.settings.register_profile(
    "busy", hypothesis.settings.default, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(wrapper=True)
def pytest_collect_directory(path, parent):
    """Let a folder be the same each time it is come by: its fixtures are those of the first.

    pytest 9.1 makes another of it once a file of tests/ was named on the command line between two files of the folder.
    """
    folder = yield
    return parent.session.stash.setdefault(_FOLDERS, {}).setdefault(path, folder)


def pytest_collection_modifyitems(items):
    for item in items:
        if any(item.path.is_relative_to(place) for place in AGAINST_THE_CLOCK):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=0.5, rerun_except=WrongBytes))


def pytest_timeout_set_timer(item, settings):
    item.stash[_TIMER] = settings  # and leave it to pytest-timeout to set it


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    # pytest-timeout sets its timer once a test, however often that is tried.
    if getattr(item, "execution_count", 1) > 1 and _TIMER in item.stash:
        hooks = item.config.pluginmanager.hook
        hooks.pytest_timeout_cancel_timer(item=item)
        hooks.pytest_timeout_set_timer(item=item, settings=item.stash[_TIMER])


@pytest.fixture
def by_swarm(monkeypatch):
    """Let what one node alone has go by a swarm as well, as it does where several have it: for tests of swarms, with one seed."""
    monkeypatch.setattr(Claim, "is_of_one", False)


@pytest.fixture(params=["swarm", "chain"])
def either_way(request):
    """Try it twice, with what one node alone has going by a swarm and by a chain; return which it is."""
    if request.param == "swarm":
        request.getfixturevalue("by_swarm")
    return request.param

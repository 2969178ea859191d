"""Which tests are tried once more when they fail: those of real daemons, runtimes and libtorrent sessions.

They run against the clock, on machines that may have other things to do; a failure that does not come again is shown as a rerun. A wrong
byte is never tried again, and neither is what runs in virtual time or without any.
"""

from pathlib import Path

import pytest

from tests.wrongbytes import WrongBytes

HERE = Path(__file__).parent
AGAINST_THE_CLOCK = [
    HERE / name for name in ("faults", "e2e", "swarm", "netsim/test_links.py", "cli/test_serve.py", "test_node.py")
]
_TIMER = pytest.StashKey()


def pytest_collection_modifyitems(items):
    for item in items:
        if any(item.path.is_relative_to(place) for place in AGAINST_THE_CLOCK):
            item.add_marker(pytest.mark.flaky(reruns=1, rerun_except=WrongBytes))


def pytest_timeout_set_timer(item, settings):
    item.stash[_TIMER] = settings  # and leave it to pytest-timeout to set it


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    # pytest-timeout sets its timer once a test, however often that is tried.
    if getattr(item, "execution_count", 1) > 1 and _TIMER in item.stash:
        hooks = item.config.pluginmanager.hook
        hooks.pytest_timeout_cancel_timer(item=item)
        hooks.pytest_timeout_set_timer(item=item, settings=item.stash[_TIMER])

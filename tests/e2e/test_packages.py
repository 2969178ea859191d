import os
import re

import pytest

from netsim.emulate.packages import search_path
from netsim.emulate.processes import run


@pytest.fixture
def environment(programs):
    return {"PATH": f"{search_path(programs)}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("program", "version"),
    [
        ("dockerd", r" (2[89]|[3-9]\d)\."),
        ("docker", r" (2[89]|[3-9]\d)\."),
        ("containerd", r" v?2\."),
        ("ctr", r" v?2\."),
    ],
)
def test_todays_programs_run_on_this_machine(environment, program, version):
    assert re.search(version, run([program, "--version"], env=environment))


def test_runc_is_that_of_the_machine(environment):
    assert run(["runc", "--version"], env=environment) == run(["runc", "--version"])

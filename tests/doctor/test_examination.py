import pytest

from p2player.control.client import ControlClient
from p2player.doctor.examination import examine
from p2player.runtime.setup.plan import plan_setup
from p2player.runtime.setup.target import Target
from p2player.runtime.setup.tree import DiskTree
from p2player.runtime.setup.writing import carry_out


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "root").mkdir()
    return DiskTree(tmp_path / "root")


@pytest.fixture
def states(client, runtime, tree):
    async def states(*named):
        findings = examine(client, tree, {"podman": runtime}, named=named)
        return {finding.check: finding.state async for finding in findings}

    return states


async def test_without_a_daemon_that_is_all_there_is_to_say(tmp_path, tree, runtime):
    async with ControlClient(tmp_path / "none") as client:
        findings = [finding async for finding in examine(client, tree, {"podman": runtime})]
    assert [(finding.check, finding.state) for finding in findings] == [("daemon", "fail")]
    assert "p2player serve" in findings[0].fix


async def test_a_runtime_that_is_set_up_pulls(states, tree, daemon):
    carry_out(plan_setup("podman", tree, Target(daemon.registry_address)), tree)
    found = await states()
    assert (found["podman"], found["podman configuration"], found["podman pull"]) == ("ok", "ok", "ok")
    assert daemon.store.blobs() == []


@pytest.mark.parametrize(("named", "state"), [((), "warn"), (("podman",), "fail")])
async def test_a_runtime_that_is_not_set_up_does_not_pull(states, named, state):
    found = await states(*named)
    assert found["podman configuration"] == state
    assert "podman pull" not in found


async def test_a_runtime_that_is_not_there_is_skipped(states, runtime):
    runtime.wrong = "absent"
    found = await states("podman")
    assert found["podman"] == "skip"
    assert "podman configuration" not in found

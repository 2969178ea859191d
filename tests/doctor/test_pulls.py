import asyncio

import pytest

from p2player.doctor.image import NAME, TinyImage, seeded
from p2player.doctor.pulls import configuration_finding, pull_finding
from p2player.runtime.setup.plan import plan_setup
from p2player.runtime.setup.target import Target
from p2player.runtime.setup.tree import DiskTree
from p2player.runtime.setup.writing import carry_out


@pytest.fixture
def find(client, runtime):
    async def find(name="docker"):
        image = TinyImage.make()
        async with seeded(client, image):
            return await pull_finding(name, runtime, client, image)

    return find


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    (tmp_path / "root").mkdir()
    return DiskTree(tmp_path / "root")


async def test_a_pull_through_the_node_is_fine_and_leaves_nothing(find, runtime):
    assert (await find()).state == "ok"
    assert runtime.images == set()


async def test_a_pull_that_came_from_elsewhere_is_a_failure(find, runtime):
    runtime.wrong = "elsewhere"
    finding = await find()
    assert finding.state == "fail"
    assert "served nothing" in finding.message
    assert runtime.images == set()


@pytest.mark.parametrize(
    ("name", "fix"), [("docker", "systemctl reload docker"), ("podman", "p2player setup podman --dry-run")]
)
async def test_a_refused_pull_is_told_with_what_to_do(find, runtime, name, fix):
    runtime.wrong = "refused"
    finding = await find(name)
    assert finding.state == "fail"
    assert "manifest unknown" in finding.message
    assert fix in finding.fix


async def test_an_image_that_stays_behind_is_named(find, runtime):
    runtime.wrong = "sticky"
    finding = await find()
    assert finding.state == "fail"
    assert f"{NAME}:{runtime.seen[0].tag}" in finding.fix


async def test_who_is_interrupted_while_a_runtime_pulls_leaves_nothing(find, runtime, daemon):
    started, never = asyncio.Event(), asyncio.Event()
    pull = runtime.pull

    async def pull_and_hang(image):
        await pull(image)
        started.set()
        await never.wait()

    runtime.pull = pull_and_hang
    async with asyncio.TaskGroup() as group:
        finding = group.create_task(find())
        await started.wait()
        assert runtime.images
        finding.cancel()
    assert runtime.images == set()
    assert daemon.store.blobs() == []


@pytest.mark.parametrize(("required", "state"), [(True, "fail"), (False, "warn")])
async def test_a_runtime_that_is_not_set_up_fails_only_if_it_has_to_be(tree, required, state):
    found = await configuration_finding("podman", tree, "127.0.0.1:5050", required=required)
    assert (found.finding.state, found.points_here) == (state, False)
    assert found.finding.fix == "p2player setup podman"


async def test_a_runtime_that_is_set_up_points_here_also_at_a_node_that_listens_everywhere(tree):
    carry_out(plan_setup("podman", tree, Target("127.0.0.1:5050", ("a.example",))), tree)
    found = await configuration_finding("podman", tree, "0.0.0.0:5050", required=True)
    assert (found.finding.state, found.points_here) == ("ok", True)


async def test_a_runtime_that_points_at_another_node_does_not_point_here(tree):
    carry_out(plan_setup("podman", tree, Target("127.0.0.1:5051")), tree)
    assert not (await configuration_finding("podman", tree, "127.0.0.1:5050", required=True)).points_here


async def test_what_setup_cannot_do_is_told_and_no_hindrance(tree):
    carry_out(plan_setup("docker", tree, Target("127.0.0.1:5050")), tree)
    found = await configuration_finding("docker", tree, "127.0.0.1:5050", required=True)
    assert (found.finding.state, found.points_here) == ("warn", True)
    assert "containerd-snapshotter" in found.finding.fix


async def test_a_broken_file_is_a_failure(tree):
    tree.place("/etc/docker").mkdir(parents=True)
    tree.place("/etc/docker/daemon.json").write_text("{")
    found = await configuration_finding("docker", tree, "127.0.0.1:5050", required=False)
    assert (found.finding.state, found.points_here) == ("fail", False)
    assert "/etc/docker/daemon.json, line 1" in found.finding.message

"""Tags that move in their registry while nodes have what they meant before."""

import time
import urllib.error
import urllib.request

import pytest

from netsim.emulate.busybox import busybox_image
from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import wait_until

# the same registry, asked in three ways
BRIEF, LONG, FRESH = "brief.example", "long.example", "fresh.example"
TTL_SECONDS = 0.5


@pytest.fixture
def images(directory):
    return [busybox_image(directory / greeting, greeting) for greeting in ("old", "new")]


@pytest.fixture
def node(registry, directory):
    config = directory / "config.toml"
    config.write_text(
        f'[upstream."{BRIEF}"]\nurl = "{registry.url}"\ntag_ttl = {TTL_SECONDS}\n'
        f'[upstream."{LONG}"]\nurl = "{registry.url}"\ntag_ttl = 3600\n'
        f'[upstream."{FRESH}"]\nurl = "{registry.url}"\ntag_ttl = {TTL_SECONDS}\nstale = false\n'
    )
    with Daemon(directory / "node", "--config", str(config)) as node:
        yield node


@pytest.fixture
def ask(node):
    """Ask the node what a tag means, and return the answer's headers."""

    def ask(name):
        url = f"http://{node.registry}/v2/team/app/manifests/1?ns={name}"
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30) as answer:
            return answer.headers

    return ask


def test_a_tag_that_was_moved_is_seen_once_its_time_is_over(registry, images, ask):
    old, new = images
    registry.fill(old, "team/app:1")
    assert {ask(name)["Docker-Content-Digest"] for name in (BRIEF, LONG)} == {old.digest}
    registry.fill(new, "team/app:1")
    seen = wait_until(lambda: True if ask(BRIEF)["Docker-Content-Digest"] == new.digest else None, "the tag's move")
    assert seen
    assert ask(LONG)["Docker-Content-Digest"] == old.digest


def test_while_the_registry_is_down_a_tag_is_served_with_its_age(registry, images, ask):
    old, _ = images
    registry.fill(old, "team/app:1")
    assert "Warning" not in ask(BRIEF)
    for name in (LONG, FRESH):
        ask(name)
    registry.stop()
    stopped = time.monotonic()
    answer = wait_until(lambda: answer if "Warning" in (answer := ask(BRIEF)) else None, "a stale answer")
    assert answer["Docker-Content-Digest"] == old.digest
    assert answer["Warning"].startswith("110 ")
    assert 0 <= int(answer["Age"]) <= time.monotonic() - stopped + 30
    assert "Warning" not in ask(LONG)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        ask(FRESH)


def test_a_tag_that_was_taken_back_is_gone(registry, images, ask):
    old, _ = images
    registry.fill(old, "team/app:1")
    ask(BRIEF)
    registry.forget("team/app:1")

    def gone():
        try:
            ask(BRIEF)
        except urllib.error.HTTPError as error:
            return error.code
        return None

    assert wait_until(gone, "the tag's end") == 404

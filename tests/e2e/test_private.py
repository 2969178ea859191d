"""Images that their registry keeps for those who log in, in the cache of a node that everybody can reach."""

import base64
import json
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from netsim.emulate.busybox import busybox_image
from netsim.emulate.daemons import Daemon, LocalCluster
from netsim.emulate.processes import ProgramError
from netsim.emulate.registry import Registry
from netsim.emulate.runtimes import Mirrored
from netsim.emulate.tokens import TokenServer

ALIAS = "private.example"
GREETING = "hello from behind a login"
RIGHT, WRONG = "ada:right", "ada:wrong"
USERS = dict([RIGHT.split(":")])


def get(url, login):
    """Return the body at url."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def pull(node, name, login):
    """Take the whole image from a node's endpoint, as login, and return its digests."""
    base = f"http://{node.registry}/v2/library/app"
    manifest = json.loads(get(f"{base}/manifests/1?ns={name}", login))
    digests = [member["digest"] for member in [manifest["config"], *manifest["layers"]]]
    for digest in digests:
        get(f"{base}/blobs/{digest}?ns={name}", login)
    return digests


@dataclass(frozen=True)
class Guarded:
    """A registry that wants a login, and a node that has the image of it, and gave it to somebody with a login."""

    registry: Registry
    node: Daemon

    @property
    def names(self):
        return (self.registry.name, ALIAS, "docker.io")


@pytest.fixture(scope="module")
def image(require):
    require("docker-registry", "skopeo", "busybox")
    with tempfile.TemporaryDirectory(prefix="p2e-") as directory:
        yield busybox_image(Path(directory) / "image", GREETING, ballast=4 << 20)


@pytest.fixture(scope="module", params=["htpasswd", "tokens"])
def guarded(request, image):
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p2e-")))
        if request.param == "tokens":
            registry = Registry(root, tokens=stack.enter_context(TokenServer(root, users=USERS)))
        else:
            registry = Registry(root, users=USERS)
        stack.enter_context(registry)
        registry.fill(image, "library/app:1")
        names = (registry.name, ALIAS, "docker.io")
        upstreams = [part for name in names for part in ("--upstream", f"{name}={registry.url}")]
        guarded = Guarded(registry, stack.enter_context(Daemon(root / "node", *upstreams)))
        for name in names:
            pull(guarded.node, name, RIGHT)
        assert guarded.node.status().upstream == image.total
        yield guarded


def test_a_cached_image_is_for_those_whose_login_its_registry_accepts(kind, guarded, image, directory):
    registry, node = guarded.registry, guarded.node
    name = kind.name_of(registry)
    # dockerd's older store knows no registry behind its mirrors but the real Docker Hub
    endpoints = (node.registry, registry.name) if kind.names == "hub" else (node.registry,)
    root = directory / "runtime"
    root.mkdir()
    with kind.start(root, [Mirrored(name, registry.url, endpoint) for endpoint in endpoints]) as runtime:
        before = node.status()
        for login in (WRONG, None):
            with pytest.raises(ProgramError):
                runtime.pull(f"{name}/library/app:1", login=login)
        assert node.status().local == before.local
        runtime.pull(f"{name}/library/app:1", login=RIGHT)
        assert runtime.run(f"{name}/library/app:1") == f"{GREETING}\n"
    after = node.status()
    assert after.upstream == before.upstream
    if kind.logs_in:
        assert after.local - before.local >= image.total - image.sizes[image.digest]


@pytest.mark.parametrize("login", [WRONG, None], ids=["wrong", "none"])
def test_nothing_of_it_is_had_by_its_digest_alone(guarded, image, login):
    for name in guarded.names:
        for path in [f"manifests/{image.digest}", *(f"blobs/{digest}" for digest in image.sizes)]:
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(f"http://{guarded.node.registry}/v2/library/app/{path}?ns={name}", login)
            assert refused.value.code in {401, 404}
            assert refused.value.code == 404 or "realm=" in refused.value.headers["WWW-Authenticate"]


def test_a_name_nobody_knows_opens_nothing(guarded, image):
    for path in [f"manifests/{image.digest}", *(f"blobs/{digest}" for digest in image.sizes)]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(f"http://{guarded.node.registry}/v2/library/app/{path}?ns=other.example", RIGHT)
        assert refused.value.code in {403, 404}


@pytest.mark.parametrize("has_secret", [True, False], ids=["secret", "open"])
def test_a_neighbour_has_it_from_a_closed_cluster_but_only_for_those_with_a_login(
    guarded, image, directory, has_secret
):
    options = ["--upstream", f"{ALIAS}={guarded.registry.url}"]
    if has_secret:
        secret = directory / "secret"
        secret.write_text("correct-horse-battery-staple-and-then-some\n")
        secret.chmod(0o600)
        options += ["--secret-file", str(secret)]
    with LocalCluster(directory, 2, *options) as cluster:
        first, second = cluster.nodes
        pull(first, ALIAS, RIGHT)
        for login in (WRONG, None):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                pull(second, ALIAS, login)
        pull(second, ALIAS, RIGHT)
        for login in (WRONG, None):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                pull(second, ALIAS, login)
        status = second.status()
    if has_secret:
        assert status.peer == image.total
        assert status.upstream < image.total / 50, "what a stranger sends is compared with the registry here and there"
    else:
        assert (status.peer, status.upstream) == (0, image.total)


def test_nobody_new_is_let_in_while_the_registry_cannot_say_who_may(guarded, image, directory):
    upstream = ("--upstream", f"{ALIAS}={guarded.registry.url}")
    with Daemon(directory / "node", *upstream) as node:
        pull(node, ALIAS, RIGHT)
        guarded.registry.stop()
        try:
            for login in (WRONG, None):
                with pytest.raises(urllib.error.HTTPError):
                    pull(node, ALIAS, login)
            assert len(pull(node, ALIAS, RIGHT)) == len(image.sizes) - 1
        finally:
            guarded.registry.start()

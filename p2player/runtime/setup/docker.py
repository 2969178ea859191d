"""Docker: `registry-mirrors` for Docker Hub and, with containerd's image store, hosts.toml for all registries.

From Docker 28 on that store reads hosts.toml below /etc/docker/certs.d, as containerd does, `_default` included. Where
one counts, what daemon.json says of that registry does not: so mirrors and insecure registries are written there too.
"""

from typing import Any, Final

from p2player.errors import InvalidConfig
from p2player.oci.reference import DOCKER_HUB
from p2player.runtime.setup.hosts import FILE, mirror_all, new_file
from p2player.runtime.setup.jsontext import parse_object, with_first
from p2player.runtime.setup.target import Target, Wanted
from p2player.runtime.setup.tree import Tree, read_text

DAEMON_JSON: Final = "/etc/docker/daemon.json"
MIRRORS: Final = "registry-mirrors"
_FLAG: Final = "--registry-mirror"
_CERTS: Final = "/etc/docker/certs.d"
_FIRST_WITH_HOSTS: Final = (28, 0)


def configure(tree: Tree, target: Target) -> Wanted:
    """Return what makes the Docker daemon pull through the node."""
    text = read_text(tree, DAEMON_JSON) or ""
    settings = parse_object(text, DAEMON_JSON)
    mirrors = _texts(settings, MIRRORS)
    if any(flag.partition("=")[0] == _FLAG for flag in target.flags):
        raise InvalidConfig(
            f"dockerd was started with {_FLAG}, and would not start with {MIRRORS} in {DAEMON_JSON} beside that",
            hint=f"take the flag out of its service, and put its mirrors under {MIRRORS} in {DAEMON_JSON}",
        )
    files = {}
    if [mirror.rstrip("/") for mirror in mirrors[:1]] != [target.url]:
        files[DAEMON_JSON] = with_first(text, MIRRORS, target.url)
    notes = []
    if files and target.access.token_file:
        notes.append(f"Docker shows no token to what is in {MIRRORS}, only to what is in {_CERTS}/*/{FILE}")
    if files and target.access.ca:
        notes.append(
            f"for {MIRRORS}, run: mkdir -p {_CERTS}/{target.endpoint} && cp {target.access.ca} {_CERTS}/{target.endpoint}/ca.crt"
        )
    features = settings.get("features")
    store = features.get("containerd-snapshotter") if isinstance(features, dict) else None
    if not (target.containerd_store if store is None else store is True):
        notes.append(
            'only Docker Hub is mirrored: for all registries Docker needs "features": {"containerd-snapshotter": true}'
        )
    elif target.version and target.version < _FIRST_WITH_HOSTS:
        notes.append("only Docker Hub is mirrored: for all registries Docker 28 is needed")
    else:
        others = dict.fromkeys(mirror.rstrip("/") for mirror in mirrors)
        others.pop(target.url, None)
        files |= _hosts(tree, target, list(others))
        insecure = _texts(settings, "insecure-registries")
        for registry in insecure:
            path = f"{_CERTS}/{registry}/{FILE}"
            if "/" in registry:
                notes.append(f"{registry} are insecure no more: give each such registry a {_CERTS}/HOST:PORT/{FILE}")
            elif tree.names(f"{_CERTS}/{registry}") is None:
                # As Docker itself does it: TLS with any certificate, else none.
                files[path] = new_file(target, f'server = "http://{registry}"\nskip_verify = true\n')
    return Wanted(files, tuple(notes))


def _hosts(tree: Tree, target: Target, mirrors: list[str]) -> dict[str, str]:
    files = mirror_all(tree, _CERTS, target)
    if mirrors and tree.names(f"{_CERTS}/{DOCKER_HUB}") is None:
        files[f"{_CERTS}/{DOCKER_HUB}/{FILE}"] = new_file(target, mirrors=mirrors)
    return files


def _texts(settings: dict[str, Any], key: str) -> list[str]:
    values = settings.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidConfig(
            f"{DAEMON_JSON}: {key} is not a list of strings", hint="mend that file first; nothing was written"
        )
    return values

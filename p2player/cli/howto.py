"""How each container runtime is told to pull through a node."""

from typing import Final

_HOW_TO: Final = """\
docker      in /etc/docker/daemon.json, then restart it:
              {{"registry-mirrors": ["http://{registry}"]}}
            for other registries than Docker Hub, by name:
              docker pull {registry}/ghcr.io/org/app:1
containerd  with config_path = "/etc/containerd/certs.d" in its config.toml, for all registries at once,
            in /etc/containerd/certs.d/_default/hosts.toml:
              [host."http://{registry}"]
                capabilities = ["pull", "resolve"]
podman      in /etc/containers/registries.conf.d/p2player.conf, once for each registry:
              [[registry]]
              location = "docker.io"
              [[registry.mirror]]
              location = "{registry}/docker.io"
              insecure = true"""


def how_to_pull(registry: str) -> list[str]:
    """Return lines that say it, for the node whose registry endpoint is at this address."""
    return _HOW_TO.format(registry=registry).splitlines()

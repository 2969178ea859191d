"""Unmodified container runtimes, each with all of its state below one directory, pulling through registry endpoints.

Every class is a context manager: entered, the runtime is up and holds no image; left, its processes, mounts and
containers are gone. The directory is the caller's to remove. Root is needed, and the Debian packages docker.io,
containerd, runc, podman, skopeo and buildah, or a tree of programs from `netsim.emulate.packages`.
"""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from netsim.emulate.packages import search_path
from netsim.emulate.processes import Enclosed, ProgramError, enclosed, run
from p2player.oci.reference import registry_in_path

# dockerd looks nowhere else for certs.d, whatever it is told
_OWN_ETC_DOCKER = ("sh", "-c", 'mkdir -p /etc/docker && mount --bind "$0" /etc/docker && exec "$@"')

_HUB_LOGIN = "https://index.docker.io/v1/"
"""Under what docker keeps the credentials for Docker Hub."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A registry that answers at `url`, and the `endpoint` (HOST:PORT) to be asked before it, if there is one."""

    registry: str
    url: str
    endpoint: str | None


class Containerd:
    """A containerd that `ctr` speaks to."""

    def __init__(self, root: Path, mirrored: Sequence[Mirrored] = (), *, programs: Path | None = None) -> None:
        self._root = root
        self._address = root / "containerd.sock"
        self._environment = _path(programs)
        self._snapshotter = "overlayfs" if has_overlay(root) else "native"
        self._hosts = root / "hosts"
        _write_hosts(self._hosts, mirrored)
        config = root / "containerd.toml"
        config.write_text(
            f'version = 2\nroot = "{root}/root"\nstate = "{root}/state"\n'
            # the CRI plugin wants networks and a pause image, and nothing here asks it for pods
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self._address}"\n'
        )
        command = ["containerd", "--config", str(config)]
        self._program = Enclosed(command, root / "containerd.log", env=self._environment)

    def __enter__(self) -> Self:
        self._program.start()
        self._program.wait_until(_answers(self.ctr))
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()

    def ctr(self, *arguments: str) -> str:
        """Return what `ctr` printed."""
        return run(["ctr", "--address", str(self._address), *arguments], env=self._environment)

    def pull(self, reference: str, *, login: str | None = None) -> None:
        """Pull reference, as login (USER:PASSWORD) if there is one: by its registry's mirror, or else in plain HTTP."""
        mirrored = (self._hosts / reference.partition("/")[0]).exists()
        source = ("--hosts-dir", str(self._hosts)) if mirrored else ("--plain-http",)
        user = ("--user", login) if login else ()
        self.ctr("images", "pull", "--snapshotter", self._snapshotter, *source, *user, reference)

    def remove(self, reference: str) -> None:
        """Remove an image with all of its content."""
        self.ctr("images", "rm", "--sync", reference)

    def run(self, reference: str) -> str:
        """Return what a container of a pulled image printed."""
        fifos = self._root / "fifos"
        fifos.mkdir(exist_ok=True)
        return self.ctr(
            "run", "--rm", "--snapshotter", self._snapshotter, "--fifo-dir", str(fifos), reference, "container"
        )


class Dockerd:
    """A dockerd, with a containerd of its own. Without the containerd store it mirrors docker.io alone."""

    def __init__(
        self,
        root: Path,
        mirrored: Sequence[Mirrored] = (),
        *,
        programs: Path | None = None,
        containerd_store: bool = False,
    ) -> None:
        self._root = root
        self._host = f"unix://{root}/docker.sock"
        self._environment = _path(programs) | {"DOCKER_CONFIG": str(root / "client")}
        etc = root / "etc"
        etc.mkdir()
        settings: dict[str, Any] = {}
        if containerd_store:
            settings["features"] = {"containerd-snapshotter": True}
            settings["storage-driver"] = "overlayfs" if has_overlay(root) else "native"
            _write_hosts(etc / "certs.d", mirrored)
        else:
            mirrors = [f"http://{each.endpoint}" for each in mirrored if each.endpoint and each.registry == "docker.io"]
            settings["registry-mirrors"] = mirrors
        (etc / "daemon.json").write_text(json.dumps(settings))
        self._program = Enclosed(
            [
                *_OWN_ETC_DOCKER,
                *(str(etc), "dockerd"),
                *("--data-root", str(root / "data"), "--exec-root", str(root / "exec"), "--host", self._host),
                *("--pidfile", str(root / "docker.pid"), "--iptables=false", "--bridge=none"),
            ],
            root / "dockerd.log",
            env=self._environment,
        )

    def __enter__(self) -> Self:
        self._program.start()
        self._program.wait_until(_answers(self.docker), timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()

    @property
    def host(self) -> str:
        """The value of DOCKER_HOST for those who want to speak to it."""
        return self._host

    def docker(self, *arguments: str) -> str:
        """Return what `docker` printed."""
        return run(["docker", "--host", self._host, *arguments], env=self._environment)

    def pull(self, reference: str, *, login: str | None = None) -> None:
        """Pull reference, as login (USER:PASSWORD) if there is one."""
        client = self._root / "client"
        client.mkdir(exist_ok=True)
        registry = reference.partition("/")[0]
        place = _HUB_LOGIN if registry == "docker.io" else registry
        # `docker login` would ask the registry whether they are right
        _write_logins(client / "config.json", [place] if login else (), login or "")
        self.docker("pull", "--quiet", reference)

    def remove(self, reference: str) -> None:
        """Remove an image with all of its content."""
        self.docker("image", "rm", reference)

    def run(self, reference: str) -> str:
        """Return what a container of a pulled image printed."""
        return self.docker("run", "--rm", "--network", "none", "--pull", "never", reference)


class Podman:
    """podman and buildah over one storage. Nothing runs between two commands, so there is no daemon to start."""

    # the default limits are above what an unprivileged root, as on a CI machine, may set
    _LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")

    def __init__(self, root: Path, mirrored: Sequence[Mirrored] = ()) -> None:
        self._mirrored = mirrored
        self._logins = root / "auth.json"
        storage, state, driver = root / "storage", root / "run", "overlay" if has_overlay(root) else "vfs"
        self._storage = ["--root", str(storage), "--runroot", str(state), "--storage-driver", driver]
        self._store = f"containers-storage:[{driver}@{storage}+{state}]"
        self._engine = [*("--runtime", "runc"), *("--cgroup-manager", "cgroupfs"), *("--tmpdir", str(root / "tmp"))]
        registries = root / "registries.conf"
        registries.write_text("unqualified-search-registries = []\n" + "".join(map(_registry_table, mirrored)))
        self._environment = {"CONTAINERS_REGISTRIES_CONF": str(registries), "BUILDAH_RUNTIME": "runc"}

    def podman(self, *arguments: str) -> str:
        """Return what `podman` printed."""
        return run(enclosed(["podman", *self._storage, *self._engine, *arguments]), env=self._environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def pull(self, reference: str, *, login: str | None = None) -> None:
        """Pull reference, by way of its registry's mirror, as login (USER:PASSWORD) if there is one."""
        # --creds would be kept from mirrors
        places = [place for each in self._mirrored for place in (_host(each.url), _place_in_mirror(each))]
        _write_logins(self._logins, places if login else (), login or "")
        self.podman("pull", "--quiet", "--authfile", str(self._logins), reference)

    def remove(self, reference: str) -> None:
        """Remove an image with all of its content."""
        self.podman("image", "rm", reference)

    def load(self, layout: Path, reference: str) -> None:
        """Take an image from an OCI layout directory, under the name of reference."""
        run(enclosed(["skopeo", "copy", f"oci:{layout}", f"{self._store}{reference}"]))

    def run(self, reference: str) -> str:
        """Return what a container of a pulled image printed."""
        return self.podman("run", "--rm", "--network", "none", "--pull", "never", *self._LIMITS, reference)

    def serve(self, reference: str, *arguments: str, log: Path) -> Enclosed:
        """Return a container in the host's network that gets these arguments, not yet started."""
        options = ("run", "--rm", "--network", "host", "--pull", "never", *self._LIMITS)
        command = ["podman", *self._storage, *self._engine, *options, reference, *arguments]
        return Enclosed(command, log, env=self._environment)

    def buildah(self, *arguments: str) -> str:
        """Return what `buildah` printed."""
        return run(enclosed(["buildah", *self._storage, *arguments]), env=self._environment)


@cache
def has_overlay(directory: Path) -> bool:
    """Tell whether overlay file systems can be mounted over directories there: not so where it is itself an overlay."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        root = Path(name)
        for part in ("lower", "upper", "work", "merged"):
            (root / part).mkdir()
        options = f"lowerdir={root}/lower,upperdir={root}/upper,workdir={root}/work"
        attempt = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, str(root / "merged")]
        return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


def _path(programs: Path | None) -> dict[str, str]:
    return {"PATH": f"{search_path(programs)}:{os.environ['PATH']}"} if programs else {}


def _host(url: str) -> str:
    return url.partition("://")[2]


def _write_hosts(directory: Path, mirrored: Sequence[Mirrored]) -> None:
    """Write what containerd reads of registries, a directory each."""
    for each in mirrored:
        mirror = f'[host."http://{each.endpoint}"]\ncapabilities = ["pull", "resolve"]\n' if each.endpoint else ""
        (directory / each.registry).mkdir(parents=True, exist_ok=True)
        (directory / each.registry / "hosts.toml").write_text(f'server = "{each.url}"\n{mirror}')


def _place_in_mirror(each: Mirrored) -> str:
    """Return where the mirror has a registry's repositories."""
    return f"{each.endpoint}/{registry_in_path(each.registry)}"


def _registry_table(each: Mirrored) -> str:
    """Return what podman reads of a registry."""
    mirror = f'[[registry.mirror]]\nlocation = "{_place_in_mirror(each)}"\ninsecure = true\n'
    return (
        f'[[registry]]\nprefix = "{each.registry}"\nlocation = "{_host(each.url)}"\n'
        f"insecure = {json.dumps(each.url.startswith('http://'))}\n{mirror if each.endpoint else ''}"
    )


def _write_logins(path: Path, places: Iterable[str], login: str) -> None:
    """Write the credentials file that docker and podman share the form of: the same USER:PASSWORD for each of places."""
    entry = {"auth": base64.b64encode(login.encode()).decode()}
    path.write_text(json.dumps({"auths": dict.fromkeys(places, entry)}))


def _answers(command: Callable[..., str]) -> Callable[[], bool | None]:
    def ready() -> bool | None:
        try:
            command("version")
        except ProgramError:
            return None
        return True

    return ready

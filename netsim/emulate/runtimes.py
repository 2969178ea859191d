"""Unmodified container runtimes, each with all of its state below one directory, pointed at a registry endpoint.

Every class is a context manager: entered, the runtime is up and holds no image; left, its processes, mounts and
containers are gone. The directory is the caller's to remove. Root is needed, and the Debian packages docker.io,
containerd, runc, podman, skopeo and buildah.
"""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Self

from netsim.emulate.processes import Enclosed, ProgramError, enclosed, run


class Containerd:
    """A containerd that `ctr` speaks to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._address = root / "containerd.sock"
        self._snapshotter = "overlayfs" if has_overlay(root) else "native"
        config = root / "containerd.toml"
        config.write_text(
            f'version = 2\nroot = "{root}/root"\nstate = "{root}/state"\n'
            # the CRI plugin wants networks and a pause image, and nothing here asks it for pods
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self._address}"\n'
        )
        self._program = Enclosed(["containerd", "--config", str(config)], root / "containerd.log")

    def __enter__(self) -> Self:
        self._program.start()
        self._program.wait_until(_answers(self.ctr))
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()

    def ctr(self, *arguments: str) -> str:
        """Return what `ctr` printed."""
        return run(["ctr", "--address", str(self._address), *arguments])

    def pull(self, reference: str, *, mirror: str | None = None) -> None:
        """Pull reference, through a mirror at HOST:PORT for its registry, or in plain HTTP from the registry it names."""
        if mirror is None:
            self.ctr("images", "pull", "--snapshotter", self._snapshotter, "--plain-http", reference)
            return
        registry = reference.partition("/")[0]
        hosts = self._root / "hosts"
        (hosts / registry).mkdir(parents=True, exist_ok=True)
        (hosts / registry / "hosts.toml").write_text(
            f'server = "https://{registry}"\n[host."http://{mirror}"]\ncapabilities = ["pull", "resolve"]\n'
        )
        self.ctr("images", "pull", "--snapshotter", self._snapshotter, "--hosts-dir", str(hosts), reference)

    def run(self, reference: str) -> str:
        """Return what a container of a pulled image printed."""
        fifos = self._root / "fifos"
        fifos.mkdir(exist_ok=True)
        return self.ctr(
            "run", "--rm", "--snapshotter", self._snapshotter, "--fifo-dir", str(fifos), reference, "container"
        )


class Dockerd:
    """A dockerd, with a containerd of its own."""

    def __init__(self, root: Path, *, mirror: str | None = None) -> None:
        self._host = f"unix://{root}/docker.sock"
        self._program = Enclosed(
            [
                "dockerd",
                *("--data-root", str(root / "data"), "--exec-root", str(root / "exec"), "--host", self._host),
                *("--pidfile", str(root / "docker.pid"), "--iptables=false", "--bridge=none"),
                *(("--registry-mirror", f"http://{mirror}") if mirror else ()),
            ],
            root / "dockerd.log",
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
        return run(["docker", "--host", self._host, *arguments])

    def run(self, reference: str) -> str:
        """Return what a container of a pulled image printed."""
        return self.docker("run", "--rm", "--network", "none", "--pull", "never", reference)


class Podman:
    """podman and buildah over one storage. Nothing runs between two commands, so there is no daemon to start."""

    # the default limits are above what an unprivileged root, as on a CI machine, may set
    _LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")

    def __init__(self, root: Path, *, mirrors: Sequence[tuple[str, str]] = ()) -> None:
        """Keep the storage below root. Each of mirrors is a registry and the HOST:PORT that answers for it."""
        storage, state, driver = root / "storage", root / "run", "overlay" if has_overlay(root) else "vfs"
        self._storage = ["--root", str(storage), "--runroot", str(state), "--storage-driver", driver]
        self._store = f"containers-storage:[{driver}@{storage}+{state}]"
        self._engine = [*("--runtime", "runc"), *("--cgroup-manager", "cgroupfs"), *("--tmpdir", str(root / "tmp"))]
        registries = root / "registries.conf"
        registries.write_text(
            "unqualified-search-registries = []\n"
            + "".join(
                f'[[registry]]\nlocation = "{registry}"\n'
                f'[[registry.mirror]]\nlocation = "{mirror}/{registry}"\ninsecure = true\n'
                for registry, mirror in mirrors
            )
        )
        self._environment = {"CONTAINERS_REGISTRIES_CONF": str(registries), "BUILDAH_RUNTIME": "runc"}

    def podman(self, *arguments: str) -> str:
        """Return what `podman` printed."""
        return run(enclosed(["podman", *self._storage, *self._engine, *arguments]), env=self._environment)

    def pull(self, reference: str) -> None:
        """Pull reference, by way of its registry's mirror."""
        self.podman("pull", reference)

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


def _answers(command: Callable[..., str]) -> Callable[[], bool | None]:
    def ready() -> bool | None:
        try:
            command("version")
        except ProgramError:
            return None
        return True

    return ready

"""Today's container runtimes, from Debian unstable, beside those of this machine.

apt downloads the packages from the mirror that this machine uses, with sources, lists and caches of its own, and dpkg
unpacks them into a directory: nothing is installed, and what the system's apt knows stays as it is. runc is left out,
since unstable's needs a newer libc: the runtimes find this machine's.
"""

from pathlib import Path

from netsim.emulate.apt import machine_suite, mirror_of
from netsim.emulate.cache import kept
from netsim.emulate.processes import run

_PACKAGES = ("docker.io", "docker-cli", "containerd")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_FOLDERS = ("usr/sbin", "usr/bin")


def current_runtimes(cache: Path | None = None) -> Path:
    """Return the directory tree of today's dockerd, docker, containerd and ctr, downloaded unless the cache has it.

    Raises ProgramError when apt cannot have them. Safe to call from several processes at once.
    """
    return kept("runtimes-unstable", _download, cache)


def search_path(programs: Path) -> str:
    """Return the value of PATH parts under which the programs of such a tree are found."""
    return ":".join(str(programs / folder) for folder in _FOLDERS)


def _download(work: Path) -> Path:
    state, debs, tree = work / "apt", work / "debs", work / "tree"
    for directory in (state / "lists/partial", state / "cache/archives/partial", debs, tree):
        directory.mkdir(parents=True)
    (state / "status").touch()
    mirror = mirror_of(machine_suite())
    (state / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} unstable main\n")
    options = {
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "APT::Sandbox::User": "root",
        # the index of packages alone
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    run(["apt-get", *flags, "--quiet", "update"], timeout=120)
    run(["env", f"--chdir={debs}", "apt-get", *flags, "--quiet", "download", *_PACKAGES], timeout=300)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(deb), str(tree)])
    return tree

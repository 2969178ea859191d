"""A container image as people ship them: a Debian root file system, packages above it, an application on top.

It is made of the Debian packages that this machine's apt knows, from whatever mirror, by debootstrap and plain tar
files; no container engine takes part. It is built once for a recipe and kept, since that takes a minute.
"""

import hashlib
import platform
import re
import subprocess
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from netsim.emulate.apt import machine_suite, mirror_of
from netsim.emulate.cache import kept
from netsim.emulate.processes import ProgramError, enclosed, run
from netsim.image import Image, ImageWriter, add_file

GREETING = "hello from an image that was never pushed"
"""What a container of the image prints, on a line."""

# Each a layer. The compiler makes the second one larger than 100 MB.
_PACKAGES = (("python3", "python3-venv"), ("g++", "git", "make"), ("python3-yaml",))
_APPLICATION = (
    'import yaml\n\nwith open("/etc/app/config.yaml") as file:\n    print(yaml.safe_load(file)["greeting"])\n'
)
_CONFIG = f"greeting: {GREETING}\n"
_COMMAND = ("/usr/bin/python3", "/app/main.py")
_LEFT_OUT = re.compile(r"(dev|proc|sys|var/cache/apt|var/lib/apt/lists)/.+")
# Packages still name these directories; in the root file system they are put on, they are links into usr.
_LINKED_TO_USR = re.compile(r"^(bin|sbin|lib|lib32|lib64|libx32)(?=/|$)")


def debian_image(cache: Path | None = None) -> Image:
    """Return the image, from the cache directory if it was built before. Needs root and Debian's or Ubuntu's apt.

    Raises ProgramError when debootstrap or apt cannot do their part here. Safe to call from several processes at once.
    """
    suite = machine_suite()
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    layout = kept(f"{suite}-{platform.machine()}-{recipe}", partial(_build, suite), cache)
    return Image.open(layout)


def _build(suite: str, work: Path) -> Path:
    root, archives, layout = work / "root", work / "archives", work / "layout"
    run(enclosed(["debootstrap", "--variant=minbase", suite, str(root), mirror_of(suite)]), timeout=600)
    writer = ImageWriter(layout)
    with writer.layer() as layer:
        layer.add(root, ".", filter=lambda member: None if _LEFT_OUT.match(member.name.removeprefix("./")) else member)
    for packages in _PACKAGES:
        with writer.layer() as layer:
            _add_packages(layer, _download(packages, root, archives))
    with writer.layer() as layer:
        add_file(layer, "etc/app/config.yaml", _CONFIG.encode())
    with writer.layer() as layer:
        add_file(layer, "app/main.py", _APPLICATION.encode())
    return writer.finish("1", _COMMAND).layout


def _download(packages: Sequence[str], root: Path, archives: Path) -> list[Path]:
    """Return the .deb files of packages and all they need that neither root nor an earlier call has."""
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    before = set(archives.glob("*.deb"))
    options = {
        "Dir::State::status": root / "var/lib/dpkg/status",
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    run(["apt-get", *flags, "--yes", "--no-install-recommends", "--download-only", "install", *packages], timeout=600)
    return sorted(set(archives.glob("*.deb")) - before)


def _add_packages(layer: tarfile.TarFile, debs: Sequence[Path]) -> None:
    """Add the files of packages to a layer, each directory once."""
    seen: set[str] = set()
    for deb in debs:
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as unpacked,
            tarfile.open(fileobj=unpacked.stdout, mode="r|") as files,
        ):
            for member in files:
                member.name = _in_usr(member.name)
                if member.islnk():
                    member.linkname = _in_usr(member.linkname)
                if member.name in seen and member.isdir():
                    continue
                seen.add(member.name)
                layer.addfile(member, files.extractfile(member) if member.isreg() else None)
        if unpacked.returncode != 0:
            raise ProgramError(f"dpkg-deb cannot read {deb.name}")


def _in_usr(name: str) -> str:
    return _LINKED_TO_USR.sub(r"usr/\1", name.removeprefix("./"), count=1) if name.strip("./") else "."

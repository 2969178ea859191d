"""An image of the Python that runs this: a real one, made of what is on this machine, so that a demo needs no other.

Five layers, those that change least first: the interpreter with the shared libraries it loads, the standard library, the
installed packages, p2player, and a small program with its configuration. A container of it runs that program.
"""

import os
import re
import sys
import sysconfig
import tarfile
from fnmatch import fnmatch
from pathlib import Path

import libtorrent

import p2player
from netsim.emulate.processes import run
from netsim.image import Image, ImageWriter, add_file

KINDS = ("manifest", "config", "interpreter", "standard library", "packages", "p2player", "application")
"""What the blobs of the image are, in the order in which the image lists them."""

_APPLICATION = b"""\
import platform, tomllib
from pathlib import Path

import p2player

greeting = tomllib.loads(Path(__file__).with_name("app.toml").read_text())["greeting"]
print(f"{greeting} Python {platform.python_version()}, p2player {p2player.__version__}.")
"""
_CONFIGURATION = b'greeting = "Hello from an image that no registry ever saw:"\n'

_HOME = "app"  # the program's own directory, which Python looks for modules in first
_LEFT_OUT = (
    # compiled again where it is needed
    "__pycache__",
    # what a program does not need to run
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "_tkinter.*", "config-*", "*.a"),
    # packages are a layer of their own, without what installs them
    *("site-packages", "dist-packages", "pip", "pip-*", "setuptools", "setuptools-*", "_distutils_hack"),
)
_LOADED_FROM = re.compile(r"(/\S+) \(0x")


def environment_image(layout: Path, name: str) -> Image:
    """Return the image, written to a new layout directory under name. Raises ProgramError without `ldd`."""
    writer = ImageWriter(layout)
    interpreter = Path(sys.executable).resolve()
    standard_library = Path(sysconfig.get_path("stdlib"))
    with writer.layer() as archive:
        for file in (interpreter, *_shared_libraries(interpreter, standard_library)):
            _add(archive, file.resolve(), str(file))
    with writer.layer() as archive:
        _add(archive, standard_library, str(standard_library))
    with writer.layer() as archive:
        for directory in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
            for package in sorted(Path(directory).iterdir()):
                _add(archive, package, f"{_HOME}/{package.name}")
    with writer.layer() as archive:
        _add(archive, Path(p2player.__file__).parent, f"{_HOME}/p2player")
    with writer.layer() as archive:
        add_file(archive, f"{_HOME}/main.py", _APPLICATION)
        add_file(archive, f"{_HOME}/app.toml", _CONFIGURATION)
    return writer.finish(name, [str(interpreter), f"/{_HOME}/main.py"])


def _shared_libraries(interpreter: Path, standard_library: Path) -> list[Path]:
    """Return what the loader brings in for the interpreter and its modules: the C library, OpenSSL, and the like."""
    modules = (standard_library / "lib-dynload").glob("*.so")
    users = [interpreter, Path(libtorrent.__file__), *(module for module in modules if not _is_left_out(module.name))]
    found = _LOADED_FROM.findall(run(["ldd", *map(str, users)]))
    return [Path(name) for name in sorted(set(found))]


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    archive.add(path, name, filter=_as_shipped)


def _as_shipped(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return the member as its layer has it, the same whoever makes the image and when, or None to leave it out."""
    if _is_left_out(os.path.basename(member.name)):  # noqa: PTH119  (a name in an archive, not a path here)
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _is_left_out(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _LEFT_OUT)

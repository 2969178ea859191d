"""Where images to seed come from, by what a user writes on the command line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from p2player.errors import BadInput
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.layout import LayoutArchiveSource, LayoutSource, split_name
from p2player.oci.source import FileSource, Source
from p2player.runtime.containerd import open_containerd_image
from p2player.runtime.dockerd import open_daemon_image
from p2player.runtime.podman import open_podman_image

FORMS = (
    "oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE, docker-daemon:REF, podman:REF, containerd[@NAMESPACE]:REF"
    " or a file"
)
_CONTAINERD: Final = "containerd"
_KINDS: Final[Mapping[str, Callable[[str], Source]]] = {
    "oci": lambda rest: LayoutSource(*split_name(rest)),
    "oci-archive": lambda rest: LayoutArchiveSource(Path(rest)),
    "docker-archive": lambda rest: DockerArchiveSource.open(Path(rest)),
    "docker-daemon": open_daemon_image,
    "podman": open_podman_image,
}


def open_source(spec: str) -> Source:
    """Return the source that spec names; a spec of no known kind is the path of a file that is one blob.

    Raises BadInput, NotFound or Unavailable errors of the kind that is meant.
    """
    kind, _, rest = spec.partition(":")
    if kind in _KINDS:
        return _KINDS[kind](rest)
    engine, _, namespace = kind.partition("@")
    if engine == _CONTAINERD and rest:
        return open_containerd_image(rest, namespace)
    try:
        return FileSource(Path(spec))
    except BadInput as error:
        raise BadInput(error.message, hint=f"a source is {FORMS}") from error

"""Where images to seed come from, by what a user writes on the command line."""

from pathlib import Path

from p2player.errors import BadInput
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.layout import LayoutArchiveSource, LayoutSource, split_name
from p2player.oci.source import FileSource, Source
from p2player.runtime.dockerd import open_daemon_image

FORMS = "oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE, docker-daemon:REF or a file"


def open_source(spec: str) -> Source:
    """Return the source that spec names; a spec of no known kind is the path of a file that is one blob.

    Raises BadInput, NotFound or Unavailable errors of the kind that is meant.
    """
    kind, _, rest = spec.partition(":")
    match kind:
        case "oci":
            path, name = split_name(rest)
            return LayoutSource(path, name)
        case "oci-archive":
            return LayoutArchiveSource(Path(rest))
        case "docker-archive":
            return DockerArchiveSource.open(Path(rest))
        case "docker-daemon":
            return open_daemon_image(rest)
        case _:
            try:
                return FileSource(Path(spec))
            except BadInput as error:
                raise BadInput(error.message, hint=f"a source is {FORMS}") from error

"""Reading an image out of podman's storage, by its own command (podman-save)."""

from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.reference import Reference
from p2player.runtime.programs import ProgramStream


def open_podman_image(reference: str) -> DockerArchiveSource:
    """Return the image that podman has under reference. Raises DaemonUnreachable or InvalidReference.

    podman keeps layers unpacked and packs them again here: the image is the same, but its digests are not the registry's.
    """
    name = str(Reference.parse(reference))
    stream = ProgramStream("podman", "save", "--quiet", "--format", "docker-archive", name)
    return DockerArchiveSource(f"podman:{name}", stream)

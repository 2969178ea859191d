"""A small image of busybox, which runs in a moment and can be made as large as is wanted."""

import random
from pathlib import Path

from netsim.image import Image, ImageWriter, add_file

_BUSYBOX = Path("/bin/busybox")
_BALLAST_LAYER = 16 << 20


def busybox_image(layout: Path, greeting: str, *, ballast: int = 0) -> Image:
    """Return an image that prints greeting, with ballast bytes that do not compress. Both make it an image of its own.

    Needs Debian's busybox-static.
    """
    writer = ImageWriter(layout)
    content = random.Random(greeting)
    with writer.layer() as layer:
        # in one layer, so that images of different greetings share no blob
        add_file(layer, "bin/busybox", _BUSYBOX.read_bytes(), mode=0o755)
        add_file(layer, "greeting", f"{greeting}\n".encode())
    for start in range(0, ballast, _BALLAST_LAYER):
        with writer.layer() as layer:
            add_file(layer, f"ballast/{start}", content.randbytes(min(_BALLAST_LAYER, ballast - start)))
    return writer.finish("1", ["/bin/busybox", "cat", "/greeting"])

"""Images of random bytes, which nobody has seen before and nothing makes smaller."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from netsim.image import Image, ImageWriter, add_file

_CHUNK: Final = 1 << 20


def noise_image(layout: Path, layers: Sequence[int], rng: Random) -> Image:
    """Return a new image of layers that hold so many bytes of rng each, and are as large as that but for their headers."""
    writer = ImageWriter(layout)
    for number, size in enumerate(layers):
        with writer.layer() as archive:
            for start in range(0, size, _CHUNK):
                add_file(archive, f"{number}/{start}", rng.randbytes(min(_CHUNK, size - start)))
    return writer.finish("1", ["/0/0"])

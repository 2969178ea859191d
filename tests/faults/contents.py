"""Contents of blobs and manifests, and what names them."""

import json
import random
from dataclasses import dataclass

from p2player.oci.digest import Digest
from p2player.store.hashing import BlobHasher


@dataclass(frozen=True)
class Content:
    """Some bytes, their digest and their hash tree."""

    data: bytes
    digest: Digest
    root: bytes
    piece_layer: bytes

    @classmethod
    def random(cls, seed, size):
        return cls.of(random.Random(seed).randbytes(size))

    @classmethod
    def manifest(cls, seed):
        """Return an image manifest; another seed, another one."""
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}
        members = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [],
            "annotations": {"seed": f"{seed}"},
        }
        return cls.of(json.dumps(members).encode())

    @classmethod
    def of(cls, data):
        hasher = BlobHasher("sha256")
        hasher.update(data)
        digest, tree = hasher.finish()
        return cls(data, digest, tree.root, tree.piece_layer)

    def changed(self, at):
        """Return this with one other byte."""
        return Content.of(self.data[:at] + bytes([self.data[at] ^ 1]) + self.data[at + 1 :])

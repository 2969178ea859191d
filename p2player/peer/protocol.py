"""What both ends of the HTTP interface between nodes agree on."""

from p2player.oci.digest import Digest

SMALL_BLOB = 256 * 1024
"""Bytes up to which a blob is asked for here, in one round trip, rather than in a swarm of its own."""

NODE_PATH = "/p2p/v1/node"
BLOBS_PATH = "/p2p/v1/blobs/"


def blob_path(digest: Digest) -> str:
    """Return the path a small blob is asked for by."""
    return f"{BLOBS_PATH}{digest}"

"""What both ends of the HTTP interface between nodes agree on."""

from p2player.oci.digest import Digest

SMALL_BLOB = 256 * 1024
"""Bytes up to which a blob is asked for here, in one round trip, rather than in a swarm of its own."""

NODE_PATH = "/p2p/v1/node"
BLOBS_PATH = "/p2p/v1/blobs/"
RELAY_PATH = "/p2p/v1/relay/"
EVIDENCE_PATH = "/p2p/v1/evidence/"
PIECES_PATH = "/p2p/v1/pieces/"
ADDRESS_PATH = "/p2p/v1/address/"

SIZE_HEADER = "P2Player-Size"
"""How many bytes the whole blob has."""
OFFSET_HEADER = "P2Player-Offset"
"""How many bytes of a blob can be had there, from the front."""
FRONT_HEADER = "P2Player-Front"
"""Asked with a number of bytes, answered with the digest of as many from the front of the blob, in hex."""
WRONG_HEADER = "P2Player-Wrong"
"""Where 16 KiB begin that were passed on and are not what the registry has; who is told compares them for itself."""
DEPTH_HEADER = "P2Player-Depth"
"""Over how many other nodes they come from the registry."""
HEAD_HEADER = "P2Player-Head"
"""The node at the front of the chain, which takes a blob from its registry or has had it whole, as its id."""
FOLLOWERS_HEADER = "P2Player-Followers"
"""How many nodes take the blob from there just now."""
BEFORE_HEADER = "P2Player-Before"
"""Whom it is taken from there just now, if that is another node, whom that one takes it from, and so on: `ID HOST PORT`, by commas."""
SEAL_HEADER = "P2Player-Seal"
"""Who sends a small blob, and its signature to that it does."""
NODE_HEADER = "P2Player-Node"
"""Who wants to follow: node id and cluster port."""
NEXT_HEADER = "P2Player-Next"
"""Whom to follow instead: `ID HOST PORT`, separated by commas."""
INSIST_HEADER = "P2Player-Insist"
"""There if another follower is no reason to be sent on."""


def blob_path(digest: Digest) -> str:
    """Return the path a small blob is asked for by."""
    return f"{BLOBS_PATH}{digest}"


def relay_path(digest: Digest) -> str:
    """Return the path a blob is followed by."""
    return f"{RELAY_PATH}{digest}"


def evidence_path(digest: Digest) -> str:
    """Return the path evidence for a blob's hash tree is asked for by."""
    return f"{EVIDENCE_PATH}{digest}"


def piece_path(digest: Digest, index: int) -> str:
    """Return the path a piece of a disputed blob is asked for by."""
    return f"{PIECES_PATH}{digest}/{index}"


def address_path(nonce: bytes) -> str:
    """Return the path a node is asked by where its swarm listens."""
    return f"{ADDRESS_PATH}{nonce.hex()}"

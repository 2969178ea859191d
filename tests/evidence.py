"""Evidence for blobs that are in memory, true and false."""

from dataclasses import replace

from p2player.oci.digest import Digest
from p2player.peer.evidence import Evidence
from p2player.store.merkle import MIN_PIECE, root_of_piece, root_of_pieces
from p2player.store.states import START, STATE_BYTES, lead_on


def pieces_of(data):
    """Return the pieces of a blob of at most 16 MiB."""
    return [data[at : at + MIN_PIECE] for at in range(0, len(data), MIN_PIECE)]


def evidence_of(data, digest=None):
    """Return what a holder of data says, about its digest or another."""
    states = [START]
    for number, piece in enumerate(pieces_of(data)[:-1]):
        states.append(lead_on(states[-1], number * MIN_PIECE, piece, is_end=False))
    layer = b"".join(root_of_piece(piece, MIN_PIECE) for piece in pieces_of(data))
    return Evidence(digest or Digest.of(data), len(data), root_of_pieces(layer, MIN_PIECE), b"".join(states), layer)


def patched(front, behind, cut):
    """Return evidence that is one's up to a piece and another's from there on."""
    at = cut * STATE_BYTES
    layer = front.layer[:at] + behind.layer[at:]
    return replace(
        behind,
        states=front.states[:at] + behind.states[at:],
        layer=layer,
        root=root_of_pieces(layer, MIN_PIECE),
    )

"""`p2player`, but for what it does with large blobs that it holds: the lie that LIE names (see `netsim.scenarios.rollout`).

Run as `python -m netsim.emulate.liar …` in place of `python -m p2player …`.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import get_args

from netsim.emulate.member import LIE
from netsim.scenarios.rollout import Lie
from p2player.cli import main
from p2player.dht.node import DhtNode
from p2player.oci.digest import Digest
from p2player.peer.evidence import seal_piece
from p2player.pull.integrity.witness import Witness
from p2player.store.hashing import hash_file
from p2player.store.merkle import piece_length
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.session import LibtorrentSwarms


def give_wrong_pieces() -> None:
    """Let it give wrong pieces of the right tree, and sign them when asked."""
    seed, piece = LibtorrentSwarms.seed, Witness.piece
    spoilt: dict[Digest, Path] = {}

    def lying_seed(self: LibtorrentSwarms, metainfo: Metainfo, path: Path, piece_layer: bytes) -> None:
        # It must not notice, nor stop.
        self._session.apply_settings({"disable_hash_checks": True})
        spoilt[metainfo.digest] = copy = _spoilt(path, every=metainfo.piece_length)
        seed(self, metainfo, copy, piece_layer)

    async def lying_piece(self: Witness, digest: Digest, index: int) -> bytes | None:
        if digest not in spoilt:
            return await piece(self, digest, index)
        with spoilt[digest].open("rb") as file:
            length = piece_length(file.seek(0, os.SEEK_END))
            file.seek(index * length)
            return seal_piece(self._identity, digest, index, file.read(length))

    LibtorrentSwarms.seed, Witness.piece = lying_seed, lying_piece  # type: ignore[method-assign]


def announce_another_tree() -> None:
    """Let it announce the hash tree of other bytes, have those, and have no evidence for what it says."""
    seed, announce, evidence = LibtorrentSwarms.seed, DhtNode.announce, Witness.evidence
    roots: dict[Digest, bytes] = {}

    def lying_seed(self: LibtorrentSwarms, metainfo: Metainfo, path: Path, piece_layer: bytes) -> None:  # noqa: ARG001
        copy = _spoilt(path, every=metainfo.size)
        tree = hash_file(copy, metainfo.digest.algorithm)[1]
        roots[metainfo.digest] = tree.root
        seed(self, Metainfo(metainfo.digest, metainfo.size, tree.root, metainfo.realm), copy, tree.piece_layer)

    async def lying_announce(
        self: DhtNode, digest: Digest, size: int, root: bytes, *, complete: bool, private: bool = False
    ) -> None:
        await announce(self, digest, size, roots.get(digest, root), complete=complete, private=private)

    async def silent_evidence(self: Witness, digest: Digest) -> bytes | None:
        return None if digest in roots else await evidence(self, digest)

    LibtorrentSwarms.seed = lying_seed  # type: ignore[method-assign]
    DhtNode.announce = lying_announce  # type: ignore[method-assign]
    Witness.evidence = silent_evidence  # type: ignore[method-assign]


def _spoilt(path: Path, *, every: int) -> Path:
    """Return a copy of a stored blob, beside the store, with one wrong byte every so many bytes."""
    copy = path.parents[3] / f"lie-{path.name}"
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        for at in range(0, path.stat().st_size, every):
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1]))
    return copy


def lie(which: str) -> None:
    """Change what this process does from now on. Raises ValueError if there is no such lie."""
    if which not in get_args(Lie):
        raise ValueError(f"{which!r} is no lie; there are: {', '.join(get_args(Lie))}")
    announce_another_tree() if which == "wrong tree" else give_wrong_pieces()


if __name__ == "__main__":
    lie(os.environ.get(LIE, ""))
    sys.exit(main())

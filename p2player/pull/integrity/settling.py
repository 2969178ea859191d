"""Asking the questions of a dispute over the peer interface, in the time that a fetch can wait for the answers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from p2player.errors import PeerUnreachable
from p2player.oci.digest import Digest
from p2player.peer.client import PeerClient
from p2player.peer.evidence import Evidence, open_evidence, open_piece
from p2player.pull.fetch.holders import Claim
from p2player.pull.integrity.dispute import AskEvidence, AskPiece, Dispute, Question, Verdict
from p2player.store.merkle import piece_length
from p2player.tasks import Tasks, loop_time

_ANSWER_SECONDS: Final = 2.0
"""How long a node may take for an answer, beside the time for the bytes."""
_READ_BYTES: Final = 200e6
"""Bytes a second at which a holder reads its blob for evidence, at worst."""
SEND_BYTES: Final = 1e6
"""Bytes a second at which a piece comes, at worst."""
_HASTE_SECONDS: Final = 0.2
"""How long the others are waited for once one claim has been spoken for, beside the time to read the blob."""
_HASTE_BYTES: Final = 1e9
_DEADLINE: Final = 30.0
"""Seconds after which there is an end, whoever has not answered yet."""


async def settle(
    digest: Digest, claims: Sequence[Claim], peers: PeerClient, on_delay: Callable[[Verdict], None]
) -> Verdict:
    """Return what a dispute between claims has come to; if it takes longer than a fetch should wait, on_delay hears before."""
    dispute = Dispute(claims)
    tasks = Tasks(f"settle {digest.short}")
    pending: dict[asyncio.Task[Evidence | bool | None], Question] = {}
    began = loop_time()
    reading = max(claim.metainfo.size for claim in claims) / _HASTE_BYTES
    haste: float | None = began + _ANSWER_SECONDS + reading
    questions = dispute.begin()
    try:
        while True:
            pending |= {tasks.spawn(_answer(peers, digest, question), "ask"): question for question in questions}
            now = loop_time()
            if haste is not None and dispute.is_any_heard:
                haste = min(haste, now + _HASTE_SECONDS + reading)
            if not pending or now >= began + _DEADLINE:
                return dispute.verdict
            if haste is not None and now >= haste:
                haste = None
                on_delay(dispute.verdict)
            until = began + _DEADLINE if haste is None else haste
            done, _ = await asyncio.wait(pending, timeout=until - now, return_when=asyncio.FIRST_COMPLETED)
            questions = [more for task in done for more in _take(dispute, pending.pop(task), task.result())]
    finally:
        await tasks.close()


def _take(dispute: Dispute, question: Question, answer: Evidence | bool | None) -> list[Question]:
    if isinstance(question, AskPiece):
        return dispute.shown(question, answer if isinstance(answer, bool) else None)
    return dispute.told(question, answer if isinstance(answer, Evidence) else None)


async def _answer(peers: PeerClient, digest: Digest, question: Question) -> Evidence | bool | None:
    """Return the evidence that was asked for, or whether a piece is right; None if there is no answer of that node."""
    node, http = question.holder.node, question.holder.http
    if node is None or http is None:
        return None
    try:
        if isinstance(question, AskEvidence):
            patience = _ANSWER_SECONDS + question.metainfo.size / _READ_BYTES
            return open_evidence(node, digest, await peers.evidence(*http, digest, timeout=patience))
        evidence, index = question.evidence, question.index
        patience = _ANSWER_SECONDS + piece_length(evidence.size) / SEND_BYTES
        sealed = await peers.piece(*http, digest, index, timeout=patience)
        return await asyncio.to_thread(lambda: evidence.shows(index, open_piece(node, digest, index, sealed)))
    except (PeerUnreachable, ValueError):
        return None

"""What libtorrent does, piece by piece, in a model: who asks whom for which piece, and when it is there.

A connection is one direction of one: pieces come to its `target` from its `source`. Pieces are picked rarest first (one after the
other while nobody but seeds is around, see decision 0005), and asked of one peer each, as many as its rate and the
queues of p2player's settings allow. When every missing piece has been asked for, who has nothing to do asks for one of
them a second time. Nobody is choked: the settings set no limit to unchoke slots. How rare a piece is, all know of all: a node's
peers are a sample of them.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from netsim.simulate.connections import Connections
from netsim.simulate.copies import Copies
from netsim.simulate.flows import REGISTRY, Floats, Flows, Ints, Links
from netsim.simulate.parameters import Parameters
from netsim.simulate.reach import Reach
from netsim.simulate.torrents import NO_ROW, Torrents
from p2player.store.merkle import BLOCK, MIN_PIECE
from p2player.swarm.settings import session_params

_ROWS_AT_ONCE: Final = 8192
_SETTINGS: Final = session_params("127.0.0.1", 1, bytes(20)).settings
_MOST_BLOCKS: Final = _SETTINGS["max_out_request_queue"]
_QUEUE_SECONDS: Final = _SETTINGS["request_queue_time"]
_IN_TIME: Final = _SETTINGS["request_timeout"]
_MOST_PIECES: Final = max(_MOST_BLOCKS * BLOCK // MIN_PIECE, 1)
_NO_PIECE: Final = -1
_MOST_COUNTED: Final = 253
"""What more nodes have than that is as rare as what so many have."""
_NOT_THIS: Final = 65_535
_ASK_AGAIN: Final = 1.0
"""Seconds after which it is looked again for something to ask for where there was nothing, and nothing new since: so often
libtorrent looks after each connection."""
_LOOKS_BEFORE_ORDER: Final = 1


class Swarms:
    """All torrents of all nodes. A copy that takes part has a row of pieces; what has come of it is whole pieces."""

    def __init__(self, copies: Copies, links: Links, reach: Reach, parameters: Parameters, seed: int) -> None:
        self._copies = copies
        self._links = links
        self._reach = reach
        self._parameters = parameters
        self._random = np.random.default_rng(seed)
        self._torrents = Torrents(copies)
        self._between = Connections(_MOST_PIECES)
        self._active: Ints = np.zeros(0, dtype=np.int64)
        self._looked_at = self._asked_at = 0.0

    def seed(self, copy: int, *, is_corrupt: bool = False) -> None:
        """Give all of a blob from here; if it is corrupt, other bytes than it has."""
        between, torrents = self._between, self._torrents
        row = torrents.row_of(copy)
        if not torrents.is_done[row]:
            torrents.fill(row)
            torrents.is_done[row] = True
            torrents.is_corrupt[row] = is_corrupt
            between.is_due[between.of(row)] = True

    def join(self, copy: int, peers: Iterable[int], now: float) -> None:
        """Begin to fetch a blob from these copies."""
        torrents = self._torrents
        row = torrents.row_of(copy)
        torrents.recount(np.array([row]))
        peers = list(peers)
        torrents.in_order[row] = all(
            torrents.row[peer] != NO_ROW and torrents.is_done[torrents.row[peer]] for peer in peers
        )
        self.connect(copy, peers, now)

    def connect(self, copy: int, peers: Iterable[int], now: float) -> None:
        """Let a copy trade with others from soon on. Those that are not reached, or take no part, are left out."""
        torrents = self._torrents
        nodes, mine = self._copies.node, int(torrents.row[copy])
        at = now + self._parameters.connect
        room = self._parameters.most_peers - int(self._between.is_open[self._between.into(mine)].sum())
        for peer in peers:
            if room <= 0:
                return
            theirs = int(torrents.row[peer])
            if theirs in {NO_ROW, mine} or not self._reach.between(int(nodes[copy]), int(nodes[peer])):
                continue
            room -= 1
            self._between.open(mine, theirs, int(nodes[copy]), int(nodes[peer]), at)
            if not torrents.is_done[theirs]:
                torrents.in_order[mine] = torrents.in_order[theirs] = False
                self._between.open(theirs, mine, int(nodes[peer]), int(nodes[copy]), at)

    def rescue(self, copy: int, now: float) -> None:
        """Let the registry be one more peer."""
        self._between.open(int(self._torrents.row[copy]), NO_ROW, int(self._copies.node[copy]), REGISTRY, now)

    def leave(self, copy: int) -> None:
        """Take no part any more, and forget what was there."""
        torrents = self._torrents
        row = int(torrents.row[copy])
        if row != NO_ROW:
            self._close(self._between.of(row))
            torrents.empty(row)

    def pieces(self, copy: int) -> int:
        """Return how many pieces are there."""
        torrents = self._torrents
        return int(torrents.pieces_here[torrents.row[copy]])

    def received(self, copy: int) -> float:
        """Return how many useful bytes have come, those of pieces that are not whole yet included."""
        torrents = self._torrents
        row = int(torrents.row[copy])
        return float(torrents.received[row] + self._between.came[self._between.into(row)].sum())

    def is_answered(self, copy: int) -> bool:
        """Tell whether a peer is connected, whether it sends anything or not."""
        between, torrents = self._between, self._torrents
        into = between.into(int(torrents.row[copy]))
        into = into[between.is_open[into] & (between.source[into] != NO_ROW)]
        return bool(self._reach.among(between.sender[into], between.receiver[into]).any())

    def flows(self, now: float) -> Flows:
        """Ask for pieces where something is missing, and return what could be sent in the step that begins now."""
        between, parameters = self._between, self._parameters
        if now - self._looked_at >= parameters.look:
            self._looked_at = now
            self._look(now)
        is_time = now - self._asked_at >= parameters.ask_every
        if is_time:
            self._asked_at = now
        self._ask(now, only_idle=not is_time)
        active = np.flatnonzero(between.queued > 0)
        sender, receiver = between.sender[active], between.receiver[active]
        demand = between.wanted[active] / parameters.step
        begun = now - between.opens[active]
        demand = np.minimum(demand, self._links.slow_start(sender, receiver, begun, parameters.first_window))
        demand[~self._reach.among(sender, receiver)] = 0.0
        self._active = active
        return Flows(self._links.between(sender, receiver), demand)

    def advance(self, rates: Floats, now: float) -> list[int]:
        """Take what has come at these rates in one step, and return which copies have all their pieces now."""
        between, parameters, active = self._between, self._parameters, self._active
        torrents = self._torrents
        came = rates * parameters.step
        between.came[active] += came
        between.wanted[active] -= came
        is_some = came > 0
        between.heard[active[is_some]] = now
        share = parameters.step / parameters.rate_memory
        between.rate[active] += (rates - between.rate[active]) * share
        is_upstream = between.source[active] == NO_ROW
        if is_upstream.any():
            blobs = self._copies.blob[torrents.copy[between.target[active[is_upstream]]]]
            self._copies.from_registry += np.bincount(
                blobs, weights=came[is_upstream], minlength=len(self._copies.from_registry)
            )
        touched: list[Ints] = []
        while len(arrived := active[(between.queued[active] > 0)]):
            piece = between.queue[arrived, 0]
            length = torrents.length_of(between.target[arrived], piece)
            is_whole = between.came[arrived] >= length - 0.5
            if not is_whole.any():
                break
            arrived, piece, length = arrived[is_whole], piece[is_whole], length[is_whole]
            between.came[arrived] -= length
            between.shift(arrived)
            touched.append(self._take(arrived, piece, length))
            active = arrived
        if not touched:
            return []
        rows = np.unique(np.concatenate(touched))
        done = rows[(torrents.pieces_here[rows] >= torrents.count[torrents.copy[rows]]) & ~torrents.is_done[rows]]
        for row in done:
            torrents.is_done[row] = True
            self._close(between.into(int(row)))
        return [int(copy) for copy in torrents.copy[done]]

    def _take(self, arrived: Ints, piece: Ints, length: Ints) -> Ints:
        """Take whole pieces that have come over connections, and return the rows that have more now."""
        between, torrents = self._between, self._torrents
        target, source = between.target[arrived], between.source[arrived]
        torrents.asked[target, piece] -= 1
        is_wrong = (source != NO_ROW) & torrents.is_corrupt[source]
        place = target * torrents.have.shape[1] + piece
        _, first = np.unique(place, return_index=True)
        is_first = np.zeros(len(place), dtype=np.bool_)
        is_first[first] = True
        is_new = is_first & ~torrents.have[target, piece] & ~is_wrong
        np.add.at(self._copies.useless, between.receiver[arrived[~is_new]], length[~is_new].astype(np.float64))
        if is_wrong.any():
            self._close(arrived[is_wrong])  # libtorrent bans who sent a piece that does not belong to the tree
        rows, pieces = target[is_new], piece[is_new]
        torrents.have[rows, pieces] = True
        np.add.at(torrents.pieces_here, rows, 1)
        np.add.at(torrents.holders, (self._copies.blob[torrents.copy[rows]], pieces), 1)
        np.add.at(torrents.received, rows, length[is_new])
        places, others = between.out_of(rows)
        news = pieces[places]
        is_wanted = ~torrents.have[between.target[others], news] & (torrents.asked[between.target[others], news] == 0)
        between.is_due[others[is_wanted]] = True
        torrents.recount(target[is_wrong])
        torrents.in_order[rows[torrents.pieces_here[rows] == 1]] = False
        is_asked_still = torrents.asked[rows, pieces] > 0
        for row, index in zip(rows[is_asked_still], pieces[is_asked_still], strict=True):
            self._cancel(int(row), int(index))
        taken: Ints = rows
        return taken

    def _cancel(self, row: int, piece: int) -> None:
        """Take back what was asked for twice."""
        between, torrents = self._between, self._torrents
        into = between.into(row)
        into = into[between.queued[into] > 0]
        is_asked = between.queue[into] == piece
        is_asked &= np.arange(between.deepest) < between.queued[into][:, None]
        for index, place in zip(*is_asked.nonzero(), strict=True):
            connection = into[index]
            length = float(torrents.length_of(np.array([row]), np.array([piece]))[0])
            if place == 0:
                self._copies.useless[between.receiver[connection]] += between.came[connection]
                length -= between.came[connection]
                between.came[connection] = 0.0
            between.wanted[connection] -= length
            between.remove(connection, int(place))
            torrents.asked[row, piece] -= 1

    def _ask(self, now: float, *, only_idle: bool) -> None:
        """Let all connections over which too little is asked for, or nothing, ask for more, in rounds of one piece each."""
        between, torrents = self._between, self._torrents
        blocks = np.maximum(between.rate * _QUEUE_SECONDS / BLOCK, self._parameters.queue_start)
        most = np.minimum(blocks, _MOST_BLOCKS) * BLOCK
        target = between.target
        may_ask = (
            between.is_open & (between.opens <= now) & (between.wanted < most) & (between.queued < between.deepest)
        )
        is_time = between.retry <= now
        may_ask &= ~torrents.is_done[target]
        may_ask &= np.where(torrents.free[target] > 0, is_time | between.is_due, is_time & (between.queued == 0))
        if only_idle:
            may_ask &= between.queued == 0
        hungry = self._random.permutation(np.flatnonzero(may_ask))
        while len(hungry):
            chosen = [self._choose(hungry[at : at + _ROWS_AT_ONCE]) for at in range(0, len(hungry), _ROWS_AT_ONCE)]
            piece = np.concatenate(chosen)
            has_none = piece == _NO_PIECE
            nothing = hungry[has_none]
            between.is_due[nothing], between.retry[nothing] = False, now + _ASK_AGAIN
            hungry, piece = hungry[~has_none], piece[~has_none]
            # Of those that ask for the same piece for the same target, one does.
            _, first = np.unique(target[hungry] * torrents.have.shape[1] + piece, return_index=True)
            asking, rows = hungry[first], target[hungry[first]]
            between.append(asking, piece[first], torrents.length_of(rows, piece[first]))
            is_free = torrents.asked[rows, piece[first]] == 0
            np.subtract.at(torrents.free, rows[is_free], 1)
            torrents.asked[rows, piece[first]] += 1
            hungry = hungry[(between.wanted[hungry] < most[hungry]) & (between.queued[hungry] < between.deepest)]
            hungry = hungry[(torrents.free[target[hungry]] > 0) | (between.queued[hungry] == 0)]

    def _choose(self, asking: Ints) -> Ints:
        """Return which piece to ask for over each connection, or _NO_PIECE."""
        between, torrents = self._between, self._torrents
        target, source = between.target[asking], between.source[asking]
        can_come = torrents.have[source]
        can_come[source == NO_ROW] = True
        can_come &= ~torrents.have[target]
        # All that is missing is asked for: who has nothing to do asks for some of it once more.
        is_ending = (torrents.free[target] == 0)[:, None]
        can_come &= torrents.asked[target] == is_ending
        # The least key is chosen: how many have it, and a random byte.
        rarity = (1 + np.minimum(torrents.holders, _MOST_COUNTED)).astype(np.uint16) << 8
        key = rarity[self._copies.blob[torrents.copy[target]]]
        key += self._random.integers(0, 256, key.shape, dtype=np.uint8)
        key[torrents.in_order[target]] = np.arange(key.shape[1], dtype=np.uint16)
        # The first piece comes first, for the reader who waits for it.
        key[(torrents.pieces_here[target] == 0) & (torrents.asked[target, 0] == 0), 0] = 0
        key[~can_come] = _NOT_THIS
        piece: Ints = key.argmin(axis=1)
        piece[key[np.arange(len(piece)), piece] == _NOT_THIS] = _NO_PIECE
        return piece

    def _look(self, now: float) -> None:
        """Give up what does not come, and take pieces in order where nobody but seeds is left."""
        between, torrents = self._between, self._torrents
        late = np.flatnonzero((between.queued > 0) & (now - np.maximum(between.heard, between.opens) > _IN_TIME))
        self._forget(late)
        between.opens[late] = now + _IN_TIME  # and is asked again later
        rows = np.unique(between.target[between.is_open & (between.opens <= now)])
        torrents.looks[rows] += 1
        alike = np.ones(len(torrents.is_done), dtype=np.bool_)
        opened = np.flatnonzero(between.is_open & (between.source != NO_ROW))
        partial = opened[~torrents.is_done[between.source[opened]]]
        alike[between.target[partial]] = False
        ready = rows[torrents.looks[rows] > _LOOKS_BEFORE_ORDER]
        torrents.in_order[ready] = alike[ready]

    def _close(self, connections: Ints) -> None:
        self._forget(connections)
        self._between.close(connections)

    def _forget(self, connections: Ints) -> None:
        """Take back all that is asked for over connections. What has come of it is lost."""
        between, torrents = self._between, self._torrents
        for connection in connections[between.queued[connections] > 0]:
            pieces = between.queue[connection, : between.queued[connection]]
            torrents.asked[between.target[connection], pieces] -= 1
            self._copies.useless[between.receiver[connection]] += between.came[connection]
        between.clear(connections)
        rows = np.unique(between.target[connections])
        torrents.recount(rows)
        for row in rows:
            between.is_due[between.into(int(row))] = True

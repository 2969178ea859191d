"""What libtorrent does, piece by piece, in a model: who asks whom for which piece, and when it is there.

A connection is one direction of one: pieces come to its `target` from its `source`. Pieces are picked rarest first (one after the
other while nobody but seeds is around, see decision 0005), and asked of one peer each, as many as its rate and the
queues of p2player's settings allow. When every missing piece has been asked for, who has nothing to do asks for one of
them a second time. Nobody is choked: the settings set no limit to unchoke slots. How rare a piece is, all know of all: a node's
peers are a sample of them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from netsim.simulate.connections import Connections, double
from netsim.simulate.copies import Copies
from netsim.simulate.flows import REGISTRY, Bools, Floats, Flows, Ints, Links
from netsim.simulate.parameters import Parameters
from netsim.simulate.reach import Reach
from p2player.store.merkle import BLOCK, MIN_PIECE, piece_length
from p2player.swarm.settings import session_params

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE: Final = 8192
_SETTINGS: Final = session_params("127.0.0.1", 1, bytes(20)).settings
_MOST_BLOCKS: Final = _SETTINGS["max_out_request_queue"]
_QUEUE_SECONDS: Final = _SETTINGS["request_queue_time"]
_IN_TIME: Final = _SETTINGS["request_timeout"]
_MOST_PIECES: Final = max(_MOST_BLOCKS * BLOCK // MIN_PIECE, 1)
_NO_ROW: Final = -1
_NO_PIECE: Final = -1
_MOST_COUNTED: Final = 253
"""What more nodes have than that is as rare as what so many have."""
_NOT_THIS: Final = 65_535
_ASK_AGAIN: Final = 1.0
"""Seconds after which it is looked again for something to ask for where there was nothing, and nothing new since: so often
libtorrent looks after each connection."""
_LOOKS_BEFORE_ORDER: Final = 1
_COLUMNS: Final = (
    "_copy",
    "_received",
    "_have",
    "_asked",
    "_is_done",
    "_is_corrupt",
    "_in_order",
    "_looks",
    "_pieces_here",
    "_free",
)


class Swarms:
    """All torrents of all nodes. A copy that takes part has a row of pieces; what has come of it is whole pieces."""

    def __init__(self, copies: Copies, links: Links, reach: Reach, parameters: Parameters, seed: int) -> None:
        self._copies = copies
        self._links = links
        self._reach = reach
        self._parameters = parameters
        self._random = np.random.default_rng(seed)
        lengths = [piece_length(int(size)) for size in copies.size]
        self._length: Ints = np.array(lengths, dtype=np.int64)
        self._count: Ints = -(-copies.size // self._length)
        widest = int(self._count.max(initial=1))
        self._row: Ints = np.full(len(copies.size), _NO_ROW, dtype=np.int64)
        self._rows = 0
        self._copy: Ints = np.zeros(64, dtype=np.int64)
        self._received: Floats = np.zeros(64)
        self._have: Bools = np.zeros((64, widest), dtype=np.bool_)
        """By row and piece; what is behind a blob's last piece is had by all."""
        self._asked: NDArray[np.uint8] = np.zeros((64, widest), dtype=np.uint8)
        self._free: Ints = np.zeros(64, dtype=np.int64)
        """By row, how many pieces are neither there nor asked for."""
        self._holders: NDArray[np.float32] = np.zeros((len(copies.from_registry), widest), dtype=np.float32)
        """By blob and piece, how many have it."""
        self._is_done: Bools = np.zeros(64, dtype=np.bool_)
        self._is_corrupt: Bools = np.zeros(64, dtype=np.bool_)
        self._in_order: Bools = np.zeros(64, dtype=np.bool_)
        self._looks: Ints = np.zeros(64, dtype=np.int64)
        self._pieces_here: Ints = np.zeros(64, dtype=np.int64)
        self._between = Connections(_MOST_PIECES)
        self._active: Ints = np.zeros(0, dtype=np.int64)
        self._looked_at = self._asked_at = 0.0

    def seed(self, copy: int, *, is_corrupt: bool = False) -> None:
        """Give all of a blob from here; if it is corrupt, other bytes than it has."""
        row = self._row_of(copy)
        if not self._is_done[row]:
            count = self._count[copy]
            fresh = ~self._have[row, :count]
            self._holders[self._copies.blob[copy], :count] += fresh
            self._have[row, :count] = True
            self._is_done[row] = True
            self._is_corrupt[row] = is_corrupt
            between = self._between
            between.is_due[between.of(row)] = True

    def join(self, copy: int, peers: Iterable[int], now: float) -> None:
        """Begin to fetch a blob from these copies."""
        row = self._row_of(copy)
        self._recount(np.array([row]))
        peers = list(peers)
        self._in_order[row] = all(self._row[peer] != _NO_ROW and self._is_done[self._row[peer]] for peer in peers)
        self.connect(copy, peers, now)

    def connect(self, copy: int, peers: Iterable[int], now: float) -> None:
        """Let a copy trade with others from soon on. Those that are not reached, or take no part, are left out."""
        nodes, mine = self._copies.node, int(self._row[copy])
        at = now + self._parameters.connect
        room = self._parameters.most_peers - int(self._between.is_open[self._between.into(mine)].sum())
        for peer in peers:
            if room <= 0:
                return
            theirs = int(self._row[peer])
            if theirs in {_NO_ROW, mine} or not self._reach.between(int(nodes[copy]), int(nodes[peer])):
                continue
            room -= 1
            self._between.open(mine, theirs, int(nodes[copy]), int(nodes[peer]), at)
            if not self._is_done[theirs]:
                self._in_order[mine] = self._in_order[theirs] = False
                self._between.open(theirs, mine, int(nodes[peer]), int(nodes[copy]), at)

    def rescue(self, copy: int, now: float) -> None:
        """Let the registry be one more peer."""
        self._between.open(int(self._row[copy]), _NO_ROW, int(self._copies.node[copy]), REGISTRY, now)

    def leave(self, copy: int) -> None:
        """Take no part any more, and forget what was there."""
        row = int(self._row[copy])
        if row == _NO_ROW:
            return
        self._close(self._between.of(row))
        count = self._count[copy]
        self._holders[self._copies.blob[copy], :count] -= self._have[row, :count]
        self._have[row, :count] = self._is_done[row] = False
        self._pieces_here[row] = self._looks[row] = 0
        self._received[row] = 0.0
        self._recount(np.array([row]))

    def pieces(self, copy: int) -> int:
        """Return how many pieces are there."""
        return int(self._pieces_here[self._row[copy]])

    def received(self, copy: int) -> float:
        """Return how many useful bytes have come, those of pieces that are not whole yet included."""
        row = int(self._row[copy])
        return float(self._received[row] + self._between.came[self._between.into(row)].sum())

    def is_answered(self, copy: int) -> bool:
        """Tell whether a peer is connected, whether it sends anything or not."""
        between = self._between
        into = between.into(int(self._row[copy]))
        into = into[between.is_open[into] & (between.source[into] != _NO_ROW)]
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
        round_trip = 2 * self._links.delays(sender, receiver)
        doublings = np.minimum((now - between.opens[active]) / round_trip, 40)
        demand = np.minimum(demand, parameters.first_window / round_trip * 2.0**doublings)
        demand[~self._reach.among(sender, receiver)] = 0.0
        self._active = active
        return Flows(self._links.between(sender, receiver), demand)

    def advance(self, rates: Floats, now: float) -> list[int]:
        """Take what has come at these rates in one step, and return which copies have all their pieces now."""
        between, parameters, active = self._between, self._parameters, self._active
        came = rates * parameters.step
        between.came[active] += came
        between.wanted[active] -= came
        is_some = came > 0
        between.heard[active[is_some]] = now
        share = parameters.step / parameters.rate_memory
        between.rate[active] += (rates - between.rate[active]) * share
        is_upstream = between.source[active] == _NO_ROW
        if is_upstream.any():
            blobs = self._copies.blob[self._copy[between.target[active[is_upstream]]]]
            self._copies.from_registry += np.bincount(
                blobs, weights=came[is_upstream], minlength=len(self._copies.from_registry)
            )
        touched: list[Ints] = []
        while len(arrived := active[(between.queued[active] > 0)]):
            piece = between.queue[arrived, 0]
            copies = self._copy[between.target[arrived]]
            length = self._length_of(copies, piece)
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
        done = rows[(self._pieces_here[rows] >= self._count[self._copy[rows]]) & ~self._is_done[rows]]
        for row in done:
            self._is_done[row] = True
            self._close(between.into(int(row)))
        return [int(copy) for copy in self._copy[done]]

    def _take(self, arrived: Ints, piece: Ints, length: Ints) -> Ints:
        """Take whole pieces that have come over connections, and return the rows that have more now."""
        between = self._between
        target, source = between.target[arrived], between.source[arrived]
        self._asked[target, piece] -= 1
        is_wrong = (source != _NO_ROW) & self._is_corrupt[source]
        place = target * self._have.shape[1] + piece
        _, first = np.unique(place, return_index=True)
        is_first = np.zeros(len(place), dtype=np.bool_)
        is_first[first] = True
        is_new = is_first & ~self._have[target, piece] & ~is_wrong
        np.add.at(self._copies.useless, between.receiver[arrived[~is_new]], length[~is_new].astype(np.float64))
        if is_wrong.any():
            self._close(arrived[is_wrong])  # libtorrent bans who sent a piece that does not belong to the tree
        rows, pieces = target[is_new], piece[is_new]
        self._have[rows, pieces] = True
        np.add.at(self._pieces_here, rows, 1)
        np.add.at(self._holders, (self._copies.blob[self._copy[rows]], pieces), 1)
        np.add.at(self._received, rows, length[is_new])
        places, others = between.out_of(rows)
        news = pieces[places]
        is_wanted = ~self._have[between.target[others], news] & (self._asked[between.target[others], news] == 0)
        between.is_due[others[is_wanted]] = True
        self._recount(target[is_wrong])
        self._in_order[rows[self._pieces_here[rows] == 1]] = False
        is_asked_still = self._asked[rows, pieces] > 0
        for row, index in zip(rows[is_asked_still], pieces[is_asked_still], strict=True):
            self._cancel(int(row), int(index))
        taken: Ints = rows
        return taken

    def _cancel(self, row: int, piece: int) -> None:
        """Take back what was asked for twice."""
        between = self._between
        into = between.into(row)
        into = into[between.queued[into] > 0]
        is_asked = between.queue[into] == piece
        is_asked &= np.arange(between.deepest) < between.queued[into][:, None]
        for index, place in zip(*is_asked.nonzero(), strict=True):
            connection = into[index]
            length = float(self._length_of(self._copy[[row]], np.array([piece]))[0])
            if place == 0:
                self._copies.useless[between.receiver[connection]] += between.came[connection]
                length -= between.came[connection]
                between.came[connection] = 0.0
            between.wanted[connection] -= length
            between.remove(connection, int(place))
            self._asked[row, piece] -= 1

    def _ask(self, now: float, *, only_idle: bool) -> None:
        """Let all connections over which too little is asked for, or nothing, ask for more, in rounds of one piece each."""
        between = self._between
        blocks = np.maximum(between.rate * _QUEUE_SECONDS / BLOCK, self._parameters.queue_start)
        most = np.minimum(blocks, _MOST_BLOCKS) * BLOCK
        target = between.target
        may_ask = (
            between.is_open & (between.opens <= now) & (between.wanted < most) & (between.queued < between.deepest)
        )
        is_time = between.retry <= now
        may_ask &= ~self._is_done[target]
        may_ask &= np.where(self._free[target] > 0, is_time | between.is_due, is_time & (between.queued == 0))
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
            _, first = np.unique(target[hungry] * self._have.shape[1] + piece, return_index=True)
            asking, rows = hungry[first], target[hungry[first]]
            between.append(asking, piece[first], self._length_of(self._copy[rows], piece[first]))
            is_free = self._asked[rows, piece[first]] == 0
            np.subtract.at(self._free, rows[is_free], 1)
            self._asked[rows, piece[first]] += 1
            hungry = hungry[(between.wanted[hungry] < most[hungry]) & (between.queued[hungry] < between.deepest)]
            hungry = hungry[(self._free[target[hungry]] > 0) | (between.queued[hungry] == 0)]

    def _choose(self, asking: Ints) -> Ints:
        """Return which piece to ask for over each connection, or _NO_PIECE."""
        between = self._between
        target, source = between.target[asking], between.source[asking]
        can_come = self._have[source]
        can_come[source == _NO_ROW] = True
        can_come &= ~self._have[target]
        # All that is missing is asked for: who has nothing to do asks for some of it once more.
        is_ending = (self._free[target] == 0)[:, None]
        can_come &= self._asked[target] == is_ending
        # The least key is chosen: how many have it, and a random byte.
        rarity = (1 + np.minimum(self._holders, _MOST_COUNTED)).astype(np.uint16) << 8
        key = rarity[self._copies.blob[self._copy[target]]]
        key += self._random.integers(0, 256, key.shape, dtype=np.uint8)
        key[self._in_order[target]] = np.arange(key.shape[1], dtype=np.uint16)
        # The first piece comes first, for the reader who waits for it.
        key[(self._pieces_here[target] == 0) & (self._asked[target, 0] == 0), 0] = 0
        key[~can_come] = _NOT_THIS
        piece: Ints = key.argmin(axis=1)
        piece[key[np.arange(len(piece)), piece] == _NOT_THIS] = _NO_PIECE
        return piece

    def _recount(self, rows: Ints) -> None:
        """Count anew how many pieces are neither there nor asked for."""
        self._free[rows] = (~self._have[rows] & (self._asked[rows] == 0)).sum(axis=1)

    def _look(self, now: float) -> None:
        """Give up what does not come, and take pieces in order where nobody but seeds is left."""
        between = self._between
        late = np.flatnonzero((between.queued > 0) & (now - np.maximum(between.heard, between.opens) > _IN_TIME))
        self._forget(late)
        between.opens[late] = now + _IN_TIME  # and is asked again later
        rows = np.unique(between.target[between.is_open & (between.opens <= now)])
        self._looks[rows] += 1
        alike = np.ones(len(self._is_done), dtype=np.bool_)
        opened = np.flatnonzero(between.is_open & (between.source != _NO_ROW))
        partial = opened[~self._is_done[between.source[opened]]]
        alike[between.target[partial]] = False
        ready = rows[self._looks[rows] > _LOOKS_BEFORE_ORDER]
        self._in_order[ready] = alike[ready]

    def _close(self, connections: Ints) -> None:
        self._forget(connections)
        self._between.close(connections)

    def _forget(self, connections: Ints) -> None:
        """Take back all that is asked for over connections. What has come of it is lost."""
        between = self._between
        for connection in connections[between.queued[connections] > 0]:
            pieces = between.queue[connection, : between.queued[connection]]
            self._asked[between.target[connection], pieces] -= 1
            self._copies.useless[between.receiver[connection]] += between.came[connection]
        between.clear(connections)
        rows = np.unique(between.target[connections])
        self._recount(rows)
        for row in rows:
            between.is_due[between.into(int(row))] = True

    def _length_of(self, copies: Ints, piece: Ints) -> Ints:
        lengths = self._length[copies]
        shorter: Ints = np.minimum(lengths, self._copies.size[copies] - piece * lengths)
        return shorter

    def _row_of(self, copy: int) -> int:
        if self._row[copy] == _NO_ROW:
            self._row[copy] = row = self._rows
            self._rows += 1
            if row >= len(self._copy):
                double(self, _COLUMNS)
            self._copy[row] = copy
            self._have[row, self._count[copy] :] = True
        return int(self._row[copy])

"""What the model of links, streams and swarms takes as given: all of it here, each with where it comes from.

What p2player itself decides (segments, piece lengths, queues, patience) is imported from it and stands nowhere a second time.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Parameters:
    """Seconds, bytes and bytes a second, if nothing else is said. `fitted`: chosen so that runs are as long as emulated ones."""

    step: float = 0.02
    """Of the model's time: about what a segment of 128 KiB takes over 50 Mbit/s."""
    tick: float = 0.25
    """From one look of a fetch at the time until the next, as in `pull.fetch.flight`."""
    ask_every: float = 0.0
    """How often it is looked over which connections more is to be asked for than is asked for already; 0: in each step."""
    most_peers: int = 4000
    """So many peers a copy connects to by itself (swarm.settings; those that connect to it are not counted)."""
    most_found: int = 1000
    """So many providers a look finds at most."""
    many: int = 64
    """With more nodes all is coarser (see `of_many`), and `board` answers what lookups would find: of 60 nodes, nine tenths of the
    time are datagrams of lookups, and ever more of more nodes. Either way they take as long within a tenth."""
    step_of_many: float = 0.05
    efficiency: float = 0.955
    """Which share of a link's bits are of a blob: 1,448 of 1,514 in each Ethernet frame of TCP with timestamps."""
    first_window: float = 10 * 1448
    """What TCP sends in its first round trip (RFC 6928); it doubles with each, until links are the limit."""
    host_latency: float = 0.001
    """What a message waits in the two programs, in each direction; fitted to lookups over loopback (docs/performance.md)."""
    request_bytes: float = 600
    """Of a request and its answer's headers."""
    lookup_bytes: float = 4 * 900
    """Of the questions that are under way at the same time in a lookup, and of their answers (p2player.dht.crawl)."""
    hop: float = 0.03
    """From a segment's last byte at one node of a chain until its first one leaves for the next: check, write and hash. It
    was fitted when streams also gathered bytes for 20 ms, which they do no more (p2player.bodies)."""
    manifest: float = 0.15
    """What a pull takes before it looks for layers: the name, manifest and config, each asked for and synced to the disk. Fitted;
    13 ms for a manifest by tag alone over loopback (docs/performance.md)."""
    registry_answer: float = 0.02
    """Until the first byte of a blob comes from a registry: a connection, a token, a redirect."""
    retransmit: float = 0.25
    """Until TCP sends again what nobody has acknowledged: Linux waits 0.2 s and what a round trip takes. Then twice as long each time."""
    unreachable: float = 3.0
    """Until it is given up to connect to a node that does not answer at all (peer.client, swarm.settings)."""
    hashing: float = 500e6
    """Bytes a second that a node hashes of a whole blob: 1.4 GB/s of SHA-256 with others on the same core."""
    commit: float = 0.1
    """To sync a blob and enter it in the catalog. Fitted."""
    connect: float = 0.1
    """Until a peer of a swarm is connected and has told its pieces: libtorrent connects once a tick of 0.1 s."""
    look: float = 0.5
    """Between two looks of `swarm.transfer` at a torrent."""
    flush: float = 0.3
    """Until the last pieces are in the file (`_FLUSH_EVERY` of swarm.transfer)."""
    queue_start: int = 4
    """Blocks asked of a peer before its rate is known (libtorrent's slow start)."""
    rate_memory: float = 1.0
    """Over how long a peer's rate is averaged, to say how much is asked of it (libtorrent: once a second)."""

    def of_many(self) -> "Parameters":
        """Return them for more nodes than `many`. A torrent trades as well with 20 peers that it chose, and as many that chose it."""
        return replace(self, step=self.step_of_many, tick=0.5, ask_every=0.2, most_peers=20, most_found=20)

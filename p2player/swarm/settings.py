"""How libtorrent is set up for a private swarm of machines that trust each other's network but not each other's bytes."""

import base64

import libtorrent as lt

# peer ids are 20 bytes: four say what we are, sixteen carry 96 bits of the node id.
_PREFIX = b"-P2-"
_ID_BYTES = 12

FILE_POOL = 40
"""So many of the blobs that it has served libtorrent keeps open at most, however many there are."""


def peer_fingerprint(node_id: bytes) -> str:
    """Return the 20-character BitTorrent peer id of a node, from which `node_of` gets (part of) its id again."""
    return (_PREFIX + base64.urlsafe_b64encode(node_id[:_ID_BYTES])).decode()


def node_of(peer_id: bytes) -> str | None:
    """Return the first 8 hex characters of the node id in a peer id, or None for a foreign client."""
    if not peer_id.startswith(_PREFIX):
        return None
    try:
        return base64.urlsafe_b64decode(peer_id[len(_PREFIX) :]).hex()[:8]
    except ValueError:
        return None


def session_params(host: str, port: int, node_id: bytes, *, tls: bool = False) -> lt.session_params:
    """Return what a session of this node starts with, listening on host:port only, for plain peers or (`tls`) for others."""
    category = lt.alert.category_t
    params = lt.session_params()
    # Of the three kinds of disk I/O this one is the quickest with the flushes that swarm.transfer makes.
    params.disk_io_constructor = "pread_disk_io_constructor"
    params.settings = {
        "user_agent": "p2player",
        "peer_fingerprint": peer_fingerprint(node_id),
        "listen_interfaces": (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") + ("s" if tls else ""),
        # Where peers find this node follows from the cluster port, so another port is a failure.
        "max_retry_port_bind": 0,
        "listen_system_port_fallback": False,
        # Peers are found by our own DHT and nowhere else.
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        # TCP's own congestion control is right inside a data centre.
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        # Plain towards our own; a foreign client that insists on obfuscation is still answered.
        "out_enc_policy": 2,
        # Several nodes may share an address (laptops behind one NAT, nodes in tests).
        "allow_multiple_connections_per_ip": True,
        # A node that restarts comes back at once and must not wait out a penalty.
        "min_reconnect_time": 1,
        "max_failcount": 20,
        "peer_connect_timeout": 3,
        "handshake_timeout": 5,
        # A block that does not come is asked of someone else within seconds.
        "request_timeout": 3,
        "piece_timeout": 3,
        "peer_timeout": 20,
        # Connections that have no use any more are kept just long enough for their byte counts to be read.
        "close_redundant_connections": False,
        "inactivity_timeout": 10,
        "connections_limit": 4000,
        "connection_speed": 200,
        "torrent_connect_boost": 60,
        "unchoke_slots_limit": -1,
        # What is asked for early is asked for twice: with eight nodes that want 64 MiB at once from one seed over
        # 50 Mbit/s links, libtorrent's deep queues took 2.5 times the bound, shallow ones 1.6 times.
        "max_out_request_queue": 32,
        # What a peer says it allows overrides the number above, and what is asked of a peer that freezes is asked of the
        # others block by block: with libtorrent's 2000, a peer stopped in the middle of 64 MiB cost 20 s, with this 3 s.
        "max_allowed_in_request_queue": 64,
        "request_queue_time": 1,
        "whole_pieces_threshold": 1,
        "send_buffer_watermark": 512 * 1024,
        "send_buffer_low_watermark": 16 * 1024,
        "hashing_threads": 2,
        "aio_threads": 4,
        "max_queued_disk_bytes": 32 * 1024 * 1024,
        "file_pool_size": FILE_POOL,
        # Nothing is rotated: every torrent is always active.
        "active_limit": -1,
        "active_seeds": -1,
        "active_downloads": -1,
        "alert_queue_size": 100_000,
        "alert_mask": category.status_notification
        | category.connect_notification
        | category.peer_notification
        | category.error_notification
        | category.storage_notification
        | category.piece_progress_notification,
    }
    return params

def test_programs_get_every_key_they_may_rely_on(ask, daemon):
    (status,) = ask("status", "--json").objects
    assert status.keys() >= {
        "node_id", "registry", "cluster", "swarm", "peers", "blobs", "bytes", "dropped", "events",
        "uptime_seconds", "version", "data_dir", "secret", "tls",
    }  # fmt: skip
    assert status["node_id"] == str(daemon.identity.node_id)
    assert status["bytes"] == {"local": 0, "peer": 0, "upstream": 0, "redundant": 0}
    assert status["tls"] == {"mode": "none", "expires": None}


def test_people_get_addresses_and_amounts(ask, daemon):
    daemon.counters.add_bytes("peer", 12_345_678)
    daemon.counters.drop("peer.malformed", 3)
    daemon.counters.count("tags.stale")
    told = ask("status").out
    assert "registry  127.0.0.1:5050" in told
    assert "12.3 MB from peers" in told
    assert "3 peer.malformed" in told
    assert "1 tags.stale" in told

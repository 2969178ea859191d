def test_programs_get_every_key_they_may_rely_on(ask, daemon):
    (status,) = ask("status", "--json").objects
    assert status.keys() >= {
        "node_id", "registry", "cluster", "swarm", "peers", "blobs", "bytes", "dropped",
        "uptime_seconds", "version", "data_dir", "secret",
    }  # fmt: skip
    assert status["node_id"] == str(daemon.identity.node_id)
    assert status["bytes"] == {"local": 0, "peer": 0, "upstream": 0}


def test_people_get_addresses_and_amounts(ask, daemon):
    daemon.counters.add_bytes("peer", 12_345_678)
    daemon.counters.drop("peer.malformed", 3)
    told = ask("status").out
    assert "registry  127.0.0.1:5050" in told
    assert "12.3 MB from peers" in told
    assert "3 peer.malformed" in told

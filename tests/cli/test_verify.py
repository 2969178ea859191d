from p2player.oci.digest import Digest


def damage(daemon, data):
    path = daemon.store.path(daemon.store.put(Digest.of(data), data).digest)
    path.chmod(0o600)
    path.write_bytes(data[::-1])


def test_a_sound_store_exits_0(ask, daemon):
    daemon.store.put(Digest.of(b"fine"), b"fine")
    told = ask("verify")
    assert told.code == 0
    assert "1 blobs, 4 B: none damaged" in told.out


def test_damage_exits_4_and_names_the_blob(ask, daemon):
    daemon.store.put(Digest.of(b"fine"), b"fine")
    damage(daemon, b"damaged")
    told = ask("verify")
    assert told.code == 4
    assert str(Digest.of(b"damaged")) in told.out
    assert "1 of 2 blobs" in told.err


def test_programs_get_each_blob_and_then_the_error(ask, daemon):
    damage(daemon, b"damaged")
    told = ask("verify", "--json")
    checked, error = told.objects
    assert (checked["event"], checked["digest"], checked["ok"]) == ("checked", str(Digest.of(b"damaged")), False)
    assert (error["error"], error["exit_code"]) == ("IntegrityError", 4)

from p2player.oci.digest import Digest


def test_an_image_goes_with_its_blobs(ask, daemon, layout):
    ask("seed", layout.spec)
    (removed,) = ask("rm", "app:1", "--json").objects
    assert len(removed["blobs"]) == 3
    assert daemon.store.blobs() == []


def test_people_are_told_what_went_and_how_much(ask, daemon):
    digest = Digest.of(b"x" * 2000)
    daemon.store.put(digest, b"x" * 2000)
    assert ask("rm", digest).out.splitlines() == [f"removed {digest}", "freed 2.0 kB"]


def test_what_is_not_here_exits_3(ask):
    assert ask("rm", "app:1").code == 3


def test_a_blob_of_an_image_exits_2_and_names_the_image(ask, layout):
    ask("seed", layout.spec)
    told = ask("rm", layout.root.digest)
    assert told.code == 2
    assert "docker.io/library/app:1" in told.err

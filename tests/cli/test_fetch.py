import pytest

from p2player.oci.digest import Digest
from p2player.runtime.sources import open_source

NAME = "docker.io/library/app:1"


@pytest.fixture
def root(daemon):
    return daemon.images.publish(NAME, {"linux/amd64": b"layer"})


def test_a_fetch_ends_with_a_table_of_what_came_from_where(ask, root):
    told = ask("fetch", "app:1")
    assert told.code == 0
    rows = [line.split() for line in told.out.splitlines()][-3:]
    assert [row[0] for row in rows] == [root.digest.short, *(child.digest.short for child in root.children)]
    assert rows[-1][1:] == ["5", "B", "0.5", "s", "neighbour", "5", "B"]


def test_programs_get_progress_the_result_and_where_it_was_written(ask, root, tmp_path):
    spec = f"oci:{tmp_path / 'out'}"
    *progress, pulled, written = ask("fetch", "app:1", "--output", spec, "--json").objects
    assert {event["event"] for event in progress} == {"progress"}
    assert (pulled["event"], pulled["root"]) == ("pulled", str(root.digest))
    assert written == {"event": "written", "output": spec}


def test_an_image_is_written_where_it_was_asked_for(ask, root, tmp_path):
    spec = f"oci-archive:{tmp_path / 'out.tar'}"
    assert ask("fetch", "app:1", "--output", spec).code == 0
    with open_source(spec) as source:
        list(source.blobs())
        assert [image.name for image in source.images()] == [NAME]


def test_a_file_that_is_there_stays_if_the_fetch_fails(ask, tmp_path):
    path = tmp_path / "out.tar"
    path.write_bytes(b"precious")
    assert ask("fetch", "nobody/has:it", "--output", f"oci-archive:{path}").code == 3
    assert path.read_bytes() == b"precious"
    assert [entry.name for entry in tmp_path.iterdir() if "out" in entry.name] == ["out.tar"]


def test_a_blob_is_written_to_a_file(ask, daemon, tmp_path):
    digest = Digest.of(b"content")
    daemon.images.elsewhere[digest] = b"content"
    assert ask("fetch", digest, "--output", tmp_path / "out").code == 0
    assert (tmp_path / "out").read_bytes() == b"content"


def test_a_destination_that_cannot_be_written_is_refused_before_anything_is_fetched(ask, daemon, root):
    assert ask("fetch", "app:1", "--output", "oci-archive:/nowhere/out").code == 2
    assert daemon.store.blobs() == []


def test_a_blob_comes_by_its_torrent_from_named_peers(ask, daemon, tmp_path):
    blob = daemon.store.put(Digest.of(b"x"), b"x")
    ask("torrent", blob.digest, "--output", tmp_path / "a.torrent")
    daemon.store.remove([blob.digest])
    daemon.images.elsewhere[blob.digest] = b"x"
    assert ask("fetch", "--torrent", tmp_path / "a.torrent", "--peer", "127.0.0.1:7401").code == 0
    assert daemon.store.get(blob.digest)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["app:1", "--torrent", "f", "--peer", "a:1"],
        ["app:1", "--peer", "a:1"],
        ["--torrent", "f"],
        ["app:1", "--platform", "linux/amd64", "--all-platforms"],
    ],
)
def test_options_that_do_not_go_together_exit_2(run, arguments):
    assert run("fetch", *arguments).code == 2


def test_without_a_daemon_or_anyone_to_join_the_hint_names_both_ways(run, tmp_path):
    told = run("fetch", "app:1", "--data-dir", tmp_path)
    assert told.code == 5
    assert "p2player serve" in told.err
    assert "--join" in told.err


def test_without_a_daemon_there_must_be_a_place_to_write_to(run, tmp_path):
    told = run("fetch", "app:1", "--data-dir", tmp_path, "--join", "127.0.0.1:1")
    assert told.code == 2
    assert "--output" in told.err

from p2player.oci.digest import Digest

NAME = "docker.io/library/app:1"


def test_people_are_told_how_to_pull_what_came_in(ask, layout):
    told = ask("seed", layout.spec)
    assert told.code == 0
    assert told.out.splitlines()[-2:] == [f"{NAME}  {layout.root.digest}", f"  docker pull 127.0.0.1:5050/{NAME}"]


def test_programs_get_progress_and_then_what_came_in(ask, layout):
    *progress, seeded = ask("seed", layout.spec, "--as", "ghcr.io/a/b:2", "--json").objects
    assert {event["event"] for event in progress} == {"progress"}
    assert seeded == {
        "event": "seeded",
        "images": [{"name": "ghcr.io/a/b:2", "digest": str(layout.root.digest)}],
        "files": [],
    }


def test_a_file_is_told_by_its_digest(ask, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    told = ask("seed", tmp_path / "file")
    assert f"p2player fetch {Digest.of(b'content')}" in told.out


def test_a_source_that_is_not_there_exits_2(ask):
    assert ask("seed", "oci:/nowhere").code == 2
    assert ask("seed", "/nowhere").code == 2


def test_a_name_that_is_none_exits_2(ask, layout):
    assert ask("seed", layout.spec, "--as", "NOT A NAME").code == 2

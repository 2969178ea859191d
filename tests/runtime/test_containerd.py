import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig, StorageError
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.runtime.containerd import DEFAULT_ROOT, ContentStore, parse_sources, read_roots

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


@pytest.fixture
def content(tmp_path):
    content = ContentStore(tmp_path)
    content.path(ONE).parent.mkdir(parents=True)
    return content


@pytest.fixture
def ctr(tmp_path, monkeypatch):
    """Put a program in ctr's place, and return what it was called with."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def install(script):
        path = programs / "ctr"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


def age(content):
    """Let the directory look as if nothing had happened in it for long."""
    os.utime(content.path(ONE).parent, ns=(1, 1))


def test_a_look_finds_what_is_named_like_a_blob(content):
    content.path(ONE).write_bytes(b"one")
    (content.path(ONE).parent / "notes.txt").write_bytes(b"")
    assert content.look().blobs == {ONE}


def test_a_look_at_nothing_finds_nothing(tmp_path):
    content = ContentStore(tmp_path / "absent")
    assert content.look().blobs == frozenset()
    content.check()


def test_a_second_look_is_saved_while_nothing_comes_or_goes(content):
    content.path(ONE).write_bytes(b"one")
    age(content)
    seen = content.look()
    assert content.look(seen) is seen
    content.path(TWO).write_bytes(b"two")
    assert content.look(seen).blobs == {ONE, TWO}


def test_a_look_is_not_trusted_before_the_disks_clock_has_moved_on(content):
    seen = content.look()
    assert content.look(seen) is not seen


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_may_not_be_read_is_said_at_the_start(content, tmp_path):
    tmp_path.parent.chmod(0o755)
    content.path(ONE).parent.parent.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(StorageError) as refused:
            content.check()
    finally:
        os.seteuid(0)
    assert "root" in refused.value.hint


def test_sources_are_read_off_the_labels():
    listing = (
        "DIGEST\tSIZE\tAGE\tLABELS\n"
        f"{ONE}\t137B\tLess than a second\t-\n"
        f"{TWO}\t418B\t2 days\tcontainerd.io/gc.ref.content.l.0={ONE},"
        "containerd.io/distribution.source.docker.io=library/a,team/b,"
        "containerd.io/distribution.source.registry.example:5000=x,other=y\n"
    )
    assert parse_sources(listing) == [
        (TWO, Repository("docker.io", "library/a")),
        (TWO, Repository("docker.io", "team/b")),
        (TWO, Repository("registry.example:5000", "x")),
    ]


@given(st.text(max_size=200))
def test_no_listing_is_too_strange(listing):
    parse_sources(listing)
    parse_sources(f"{ONE}\t1B\tnow\tcontainerd.io/distribution.source.{listing}")


async def test_all_namespaces_are_asked(content, ctr):
    ctr(
        'case "$*" in\n'
        '"namespaces list --quiet") printf "default\\nk8s.io\\n";;\n'
        f'"--namespace k8s.io content list") printf "{ONE}\\t1B\\tnow\\t'
        'containerd.io/distribution.source.docker.io=library/a\\n";;\n'
        '"--namespace default content list") printf "DIGEST\\n";;\nesac'
    )
    assert await content.repositories() == {ONE: [Repository("docker.io", "library/a")]}


async def test_a_containerd_that_does_not_answer_knows_no_sources(content, ctr, caplog):
    ctr("echo 'connection refused' >&2; exit 1")
    assert await content.repositories() == {}
    assert "connection refused" in caplog.text


def test_roots_are_read_from_a_setting():
    assert read_roots(["containerd", "containerd=/srv/c", "containerd"]) == (DEFAULT_ROOT, (DEFAULT_ROOT / "/srv/c"))


@pytest.mark.parametrize("raw", ["containerd", ["docker"], ["containerd="], ["containerd=relative"], [""], [1], None])
def test_what_names_no_runtime_that_can_be_adopted_is_refused(raw):
    with pytest.raises(InvalidConfig) as refused:
        read_roots(raw)
    assert "containerd" in refused.value.hint

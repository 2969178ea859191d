import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import BadInput, InvalidDigest, InvalidReference
from p2player.oci.digest import Digest
from p2player.oci.reference import (
    Reference,
    Repository,
    is_tag,
    looks_like_registry,
    registry_in_path,
    registry_of_path,
)

DIGEST = Digest.of(b"")

separators = st.sampled_from([".", "_", "__", "-", "--"])
alphanumeric = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6)
components = st.builds("{}{}{}".format, alphanumeric, separators, alphanumeric) | alphanumeric
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
registries = st.sampled_from(
    ["docker.io", "ghcr.io", "localhost", "localhost:5000", "10.0.0.1:80", "[::1]:5000", "xn--7o8h.example"]
)
tags = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")


@given(registries, paths, st.none() | tags, st.none() | st.just(DIGEST))
def test_parse_reads_back_what_str_spells(registry, path, tag, digest):
    reference = Reference(Repository.of(registry, path), tag or (None if digest else "latest"), digest)

    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=80) | st.text("ab./:@-_[]AZ09", max_size=40))
def test_parse_of_any_text_gives_a_stable_reference_or_a_refusal(text):
    try:
        reference = Reference.parse(text)
    except BadInput:
        return
    assert Reference.parse(str(reference)) == reference
    assert reference.tag or reference.digest


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("library/alpine", "docker.io/library/alpine:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine:latest"),
        ("registry-1.docker.io/org/app:1", "docker.io/org/app:1"),
        ("org/app", "docker.io/org/app:latest"),
        ("ghcr.io/org/app:v1.2", "ghcr.io/org/app:v1.2"),
        ("GHCR.io/org/app", "ghcr.io/org/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("[fd00::1]:5000/app:1", "[fd00::1]:5000/app:1"),
        ("example.com/a/b/c/d:1", "example.com/a/b/c/d:1"),
        (f"alpine@{DIGEST}", f"docker.io/library/alpine@{DIGEST}"),
        (f"alpine:3@{DIGEST}", f"docker.io/library/alpine:3@{DIGEST}"),
    ],
)
def test_familiar_names_are_folded_to_whole_ones(text, spelled):
    assert str(Reference.parse(text)) == spelled


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "/app",
        "app/",
        "App",
        "app:",
        "app:.1",
        "app:" + "a" * 129,
        "app:a b",
        "a//b",
        "a/../b",
        "example.com/",
        "example.com/App",
        "-example.com/app",
        "app\n",
        "app:1\n",
        "https://example.com/app",
        "example.com:port/app",
        "example.com/" + "a" * 250,
    ],
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InvalidReference):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["app@", "app@latest", "app@sha256:abc", f"app@{DIGEST}@{DIGEST}"])
def test_what_stands_behind_an_at_must_be_a_digest(text):
    with pytest.raises(InvalidDigest):
        Reference.parse(text)


@pytest.mark.parametrize("part", ["ghcr.io", "localhost", "host:80", "10.0.0.1", "[::1]:80"])
def test_a_dot_a_port_or_localhost_makes_a_registry(part):
    assert looks_like_registry(part)


@pytest.mark.parametrize("part", ["library", "host", "", "a..b", "host:", "host:x", "Local", "[::1", "..", "a/b.c"])
def test_other_first_parts_are_part_of_the_path(part):
    assert not looks_like_registry(part)


def test_tags_end_where_their_text_does():
    assert is_tag("1.0-rc_2")
    assert not is_tag("1\n")
    assert not is_tag("")


@pytest.mark.parametrize("registry", ["docker.io", "localhost", "localhost:5000", "registry.corp:5000", "10.0.0.1:80"])
def test_a_registry_can_be_spelled_as_part_of_a_path(registry):
    spelled = registry_in_path(registry)
    assert ":" not in spelled
    assert registry_of_path(spelled) == registry
    assert Repository.of("mirror.example", f"{spelled}/app")


@pytest.mark.parametrize("part", ["library", "team__app", "team__", "__5000", "a__b__5000", "registry__500000", ""])
def test_other_parts_of_a_path_mean_no_registry(part):
    assert registry_of_path(part) is None

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.oci.reference import Repository
from p2player.peer.identity import NodeId
from p2player.pull.naming.publishers import Pattern, Rule, read_publishers

ME, OTHER = NodeId(b"m" * 20), NodeId(b"o" * 20)
parts = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
repositories = st.builds(Repository.of, st.sampled_from(["docker.io", "registry.corp:5000", "ghcr.io"]), parts).map(str)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True)


def rules(*pairs):
    return read_publishers([{"key": key, "names": list(names)} for key, names in pairs])


@given(repositories, tags)
def test_a_name_in_full_covers_itself_and_a_repository_all_its_tags(repository, tag):
    assert Pattern.parse(f"{repository}:{tag}").covers(repository, tag)
    assert not Pattern.parse(f"{repository}:{tag}").covers(repository, f"{tag}x")
    assert not Pattern.parse(f"{repository}:{tag}").covers(f"{repository}x", tag)
    assert Pattern.parse(repository).covers(repository, tag)
    assert not Pattern.parse(repository).covers(f"{repository}/x", tag)
    assert Pattern.parse("*").covers(repository, tag)


@given(repositories, repositories, tags, tags)
def test_a_star_in_a_repository_never_reaches_into_the_tag(repository, other, tag, wanted):
    pattern = Pattern.parse(f"{repository.partition('/')[0]}/*:{wanted}")
    assert pattern.covers(other, tag) == (other.partition("/")[0] == repository.partition("/")[0] and tag == wanted)


@given(st.text(max_size=60))
def test_any_text_is_a_pattern_or_an_invalid_config_with_the_next_step(text):
    hint = None
    try:
        Pattern.parse(text).covers("docker.io/library/app", "1")
    except InvalidConfig as error:
        hint = error.hint
    assert hint != ""


@pytest.mark.parametrize(
    ("pattern", "scope", "name", "covered"),
    [
        ("docker.io/library/*", "docker.io/library/nginx", "1", True),
        ("docker.io/library/*", "docker.io/other/nginx", "1", False),
        ("registry.corp:5000/team/app:prod-*", "registry.corp:5000/team/app", "prod-7", True),
        ("registry.corp:5000/team/app:prod-*", "registry.corp:5000/team/app", "test-7", False),
        ("registry.corp:5000/team/*", "registry.corp:5000/team/app", "any", True),
        ("*/app:v[0-9]", "ghcr.io/team/app", "v3", True),
        ("*/app:v[0-9]", "ghcr.io/team/app", "v33", False),
        ("GHCR.io/*", "ghcr.io/app", "1", False),
    ],
)
def test_patterns_are_those_of_a_shell(pattern, scope, name, covered):
    assert Pattern.parse(pattern).covers(scope, name) is covered


def test_a_rule_covers_its_signer_only_and_a_star_everybody():
    mine, everybodys = rules((str(ME).upper(), ["*"]), ("*", ["ghcr.io/*"]))
    assert mine == Rule(ME, (Pattern("*"),))
    assert mine.covers(ME, "docker.io/library/app", "1")
    assert not mine.covers(OTHER, "docker.io/library/app", "1")
    assert everybodys.covers(OTHER, "ghcr.io/app", "1")
    assert not everybodys.covers(OTHER, "docker.io/library/app", "1")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("docker.io", "tables are needed"),
        (["docker.io"], "tables are needed"),
        ({"key": "*", "names": ["*"]}, "tables are needed"),
        ([{"names": ["*"]}], "key: not a node id"),
        ([{"key": "ab" * 19, "names": ["*"]}], "key: not a node id"),
        ([{"key": "zz" * 20, "names": ["*"]}], "key: not a node id"),
        ([{"key": "*"}], "names: a list"),
        ([{"key": "*", "names": []}], "names: a list"),
        ([{"key": "*", "names": "*"}], "names: a list"),
        ([{"key": "*", "names": [1]}], "names: a list"),
        ([{"key": "*", "name": ["*"]}], "unknown setting 'name'"),
        ([{"key": "*", "names": [""]}], "not a pattern"),
        ([{"key": "*", "names": ["docker.io/app:"]}], "not a pattern"),
        ([{"key": "*", "names": ["nginx"]}], "no name matches 'nginx'"),
        ([{"key": "*", "names": ["index.docker.io/nginx:1"]}], "no name matches"),
        ([{"key": "*", "names": ["nginx:v[0-9]"]}], "no name matches"),
        ([{"key": "*", "names": ["ng*"]}], "no name matches"),
        ([{"key": "*", "names": ["docker.io/UPPER"]}], "not a repository name"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_next_step(raw, message):
    with pytest.raises(InvalidConfig, match=re.escape(message)) as refused:
        read_publishers(raw)
    assert refused.value.hint


def test_a_short_name_is_told_in_full():
    with pytest.raises(InvalidConfig) as refused:
        Pattern.parse("nginx:1")
    assert refused.value.hint == "in full it is docker.io/library/nginx"

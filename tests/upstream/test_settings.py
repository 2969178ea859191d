from pathlib import Path

import pytest

from p2player.upstream.settings import UpstreamSettings


@pytest.mark.parametrize(
    ("registry", "url"),
    [("docker.io", "https://registry-1.docker.io"), ("ghcr.io", "https://ghcr.io"), ("a.b.example", None)],
)
def test_a_registry_all_the_world_knows_is_asked_at_its_own_name_and_at_public_addresses_only(registry, url):
    settings = UpstreamSettings.public(registry)
    assert settings.urls == (url or f"https://{registry}",)
    assert settings.public_only


@pytest.mark.parametrize(
    "registry", ["ghcr.io:443", "localhost", "registry", "127.0.0.1", "8.8.8.8", "127.1", "[::1]", "a.b.example:5000"]
)
def test_any_other_name_is_asked_only_if_it_was_configured(registry):
    assert UpstreamSettings.public(registry) is None


def test_paths_are_relative_to_where_they_were_written():
    settings = UpstreamSettings("a.example", (), ca=Path("ca.pem"), client_cert=Path("/etc/cert.pem"))
    anchored = settings.anchored(Path("/home/a"))
    assert (anchored.ca, anchored.client_cert, anchored.client_key) == (
        Path("/home/a/ca.pem"),
        Path("/etc/cert.pem"),
        None,
    )

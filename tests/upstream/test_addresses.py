import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.upstream.addresses import NotPublic, PublicResolver, is_address, is_public


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(text):
    assert is_public(text)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "",
        "example.org",
        "127.1",
    ],
)
def test_addresses_of_this_network_and_what_is_no_address_are_not(text):
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_an_ipv6_one_is_what_it_is_alone(address):
    for text in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(text) == is_public(str(address))


@given(st.text(max_size=40))
def test_any_text_is_public_only_if_it_is_an_address(text):
    assert not is_public(text) or is_address(text)


async def test_only_public_addresses_of_a_name_are_connected_to(resolver):
    found = await PublicResolver(resolver("10.0.0.1", "8.8.8.8")).resolve("a.example", 443)
    assert [one["host"] for one in found] == ["8.8.8.8"]


async def test_a_name_of_this_network_is_refused(resolver):
    with pytest.raises(NotPublic, match=r"a\.example"):
        await PublicResolver(resolver("10.0.0.1", "::1")).resolve("a.example", 443)

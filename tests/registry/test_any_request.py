import asyncio
import logging
import re
import socket
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.oci.reference import Repository

DATA = bytes(range(256)) * 16
DIGEST = str(Digest.of(DATA))
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")

any_bytes = st.binary(max_size=40) | st.text(max_size=20).map(str.encode)
words = st.sampled_from(
    ["v2", "app", "library", "ghcr.io", "blobs", "manifests", "tags", "list", "1", "..", "", DIGEST]
)
paths = st.lists(words | st.text(max_size=8)).map(lambda parts: "/" + "/".join(quote(part) for part in parts))
good_paths = st.sampled_from([f"/v2/app/blobs/{DIGEST}", "/v2/app/manifests/1", "/v2/app/tags/list"])
queries = st.dictionaries(st.sampled_from(["ns", "n", "last", "artifactType", "x"]), st.text(max_size=12))
targets = st.tuples(paths | good_paths, queries).map(
    lambda pair: pair[0] + "?" * bool(pair[1]) + "&".join(f"{key}={quote(text)}" for key, text in pair[1].items())
)
headers = st.dictionaries(
    st.sampled_from(["Range", "If-Range", "If-None-Match", "Accept", "Authorization", "Content-Length", "Expect"]),
    any_bytes
    | st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True).map(str.encode)
    | st.sampled_from([b"*", b"*/*", b'W/"x"', f'"{DIGEST}"'.encode(), b"Basic YTpi", b"Bearer x.y", b"100-continue"]),
)
methods = st.sampled_from(["GET", "GET", "HEAD", "POST", "BREW"])


@pytest.fixture
def ask(endpoint, library, image):
    """Send one request as it is, and return the first line that comes back."""
    library.add_blob(DATA)
    library.add_document(image, Repository.parse("app"), "1")

    def ask(method, target, fields):
        lines = [f"{method} ".encode(), target.encode(), b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"]
        lines += [name.encode() + b": " + value + b"\r\n" for name, value in fields.items()]
        with socket.create_connection(endpoint, timeout=30) as connection:
            connection.sendall(b"".join(lines) + b"\r\n")
            return connection.makefile("rb").readline()

    return ask


async def test_any_request_gets_an_answer_and_none_is_a_fault_of_ours(ask, caplog):
    @given(methods, targets, headers)
    def check(method, target, fields):
        match = STATUS.match(ask(method, target, fields))
        assert match
        assert int(match[1]) < 500

    with caplog.at_level(logging.WARNING):
        await asyncio.to_thread(check)
    assert not caplog.records

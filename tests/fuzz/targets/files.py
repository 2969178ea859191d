"""Files of users, of other programs, and of our own that somebody may have damaged."""

import json
from contextlib import suppress

from p2player.config import Config, HostPort
from p2player.control.codec import from_json, to_json
from p2player.control.messages import BlobOffer, Naming, PullRequest, event_from_json, event_to_json
from p2player.control.target import parse_target
from p2player.errors import BadInput, InvalidConfig, P2PlayerError, StoreDamaged
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import parse_json
from p2player.oci.manifest import Descriptor
from p2player.oci.mediatypes import OCI_MANIFEST
from p2player.oci.reference import Reference
from p2player.peer.identity import Identity
from p2player.runtime.containerd import parse_sources
from p2player.runtime.setup.jsontext import parse_object, with_first, without
from p2player.runtime.setup.marks import block, lines, parse_toml, table_of, without_blocks
from p2player.runtime.setup.record import Record, record_path
from p2player.runtime.setup.tree import MemoryTree, read_text
from p2player.store.bans import _encode, _read
from p2player.store.layout import Layout
from p2player.store.origins import Origin, OriginsFile
from p2player.store.rows import Ban, NameRow
from p2player.upstream.credentials import AuthFile, parse_helper_answer
from p2player.upstream.reading import read_assignments
from tests.fuzz.scratch import as_file
from tests.fuzz.shapes import JSON
from tests.fuzz.target import Target, as_text

_DIGEST = Digest.of(b"")
_KEY = "registry-mirrors"
_SQLITE_INTEGER = range(-(1 << 63), 1 << 63)
_URL = "http://127.0.0.1:5050"


def _config(data: bytes) -> None:
    config = Config.load({}, file=as_file(data), environ={})
    assert config.insecure or config.registry.is_loopback
    assert config.insecure or config.secret_file or config.cluster.is_loopback


def _address(data: bytes) -> None:
    address = HostPort.parse(as_text(data))
    assert HostPort.parse(str(address)) == address


def _upstreams(data: bytes) -> None:
    for one in read_assignments(as_text(data).split("\n")):
        assert one.urls


def _target(data: bytes) -> None:
    target = parse_target(as_text(data))
    assert parse_target(str(target)) == target


def _credentials(data: bytes) -> None:
    for login in AuthFile.parse(data, "input").logins.values():
        assert login.identity_token or login.authorization.isascii()


def _helper(data: bytes) -> None:
    login = parse_helper_answer(data)
    assert login is None or login.identity_token or login.authorization.isascii()


def _node_key(data: bytes) -> None:
    assert len(Identity.load_or_create(as_file(data)).public_key) == 32


def _origins(data: bytes) -> None:
    origins = OriginsFile(as_file(data)).read()
    again = OriginsFile(as_file(b"", "origins"))
    again.write(origins)
    assert set(again.read()) == set(origins)


def _bans(data: bytes) -> None:
    bans = _read(as_file(data))
    assert _read(as_file(_encode(bans))) == bans
    assert all(ban.at in _SQLITE_INTEGER for ban in bans)


def _layout_index(data: bytes) -> None:
    layout = Layout(as_file(data, "index.json").parent)
    names, pins = layout.read_index()
    layout.write_index(names, [])
    assert layout.read_index() == (names, [])
    assert all(isinstance(pin, Digest) for pin in pins)


def _setup_record(data: bytes) -> None:
    record = Record.of(MemoryTree({record_path("docker"): data}), "docker")
    assert record is not None
    assert Record.of(MemoryTree({record_path("docker"): record.to_bytes()}), "docker") == record


def _daemon_json(data: bytes) -> None:
    text = read_text(MemoryTree({"/f": data}), "/f") or ""
    members = parse_object(text, "/f")
    if not isinstance(members.get(_KEY, []), list):
        return
    edited = parse_object(with_first(text, _KEY, _URL), "/f")
    assert edited == members | {_KEY: [_URL, *(one for one in members.get(_KEY, []) if one != _URL)]}
    assert _URL not in parse_object(without(with_first(text, _KEY, _URL), _KEY, _URL), "/f").get(_KEY, [])


def _marked_toml(data: bytes) -> None:
    text = read_text(MemoryTree({"/f": data}), "/f") or ""
    parse_toml(text, "/f")
    assert "".join(lines(text)) == text
    for line in lines(text):
        table_of(line)
    if text.endswith("\n") and without_blocks(text) == text:
        assert without_blocks(text + block("a = 1\n")) == text


def _containerd_listing(data: bytes) -> None:
    for digest, repository in parse_sources(as_text(data)):
        assert Digest.parse(str(digest)) == digest
        assert str(repository).isascii()


def _message(data: bytes) -> None:
    members = parse_json(data, "message", BadInput)
    for kind in (PullRequest, BlobOffer, Naming):
        with suppress(BadInput):
            assert to_json(from_json(kind, members)) is not None
    if isinstance(members, dict):
        event = event_from_json(members)
        assert event_from_json(json.loads(json.dumps(event_to_json(event)))) is not None


_NAMED = NameRow("docker.io/library/app", "1", Descriptor(OCI_MANIFEST, _DIGEST, 2), b"record", 5)


def _written_index() -> bytes:
    layout = Layout(as_file(b"", "index.json").parent)
    layout.write_index([_NAMED], [])
    return (layout.root / "index.json").read_bytes()


def _written_origins() -> bytes:
    path = as_file(b"", "origins")
    OriginsFile(path).write([Origin(_DIGEST, "docker.io/library/app", private=True)])
    return path.read_bytes()


TARGETS = (
    Target(
        "files.config",
        _config,
        (InvalidConfig,),
        (
            b'registry = "127.0.0.1:0"\ncluster = "127.0.0.1:0"\njoin = ["127.0.0.1:7400"]\ninsecure = true\n',
            b'secret_file = "s"\nlog_level = "debug"\n[upstream."a.example"]\nurl = "https://a.example"\ntag_ttl = 5\n',
            b'[[publishers]]\nkey = "*"\nnames = ["docker.io/library/*:v[0-9]*", "ghcr.io/org/app"]\n',
            b'adopt = ["containerd=/x"]\ndata_dir = "~/d"\nbackground = false\n',
        ),
    ),
    Target("files.address", _address, (InvalidConfig,), (b"host.example:7400", b"[::1]:0", b"127.0.0.1:65535")),
    Target(
        "files.upstreams", _upstreams, (InvalidConfig,), (b"docker.io=https://mirror.example\nb.example:5=http://c/d",)
    ),
    Target("files.target", _target, (P2PlayerError,), (b"app:1", str(_DIGEST).encode())),
    Target(
        "files.credentials",
        _credentials,
        (InvalidConfig,),
        (
            b'{"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}, "a.example": {"identitytoken": "x"}}}',
            b'{"auths": {"b.example/team": {}}, "credsStore": "pass", "credHelpers": {"c.example": "ecr-login"}}',
        ),
        shape=JSON,
    ),
    Target("files.helper", _helper, (), (b'{"ServerURL": "x", "Username": "<token>", "Secret": "s"}',), shape=JSON),
    Target("files.node_key", _node_key, (StoreDamaged,), (bytes(32),)),
    Target("files.origins", _origins, (StoreDamaged,), (_written_origins(),), shape=JSON),
    Target("files.bans", _bans, (), (_encode([Ban(bytes(20), "it lied", 1_800_000_000)]),), shape=JSON),
    Target("files.layout_index", _layout_index, (), (_written_index(),), shape=JSON),
    Target(
        "files.setup_record",
        _setup_record,
        (InvalidConfig,),
        (Record(_URL, {"/etc/x": "ab"}, ("/etc/p2player",), ("a.example",)).to_bytes(),),
        shape=JSON,
    ),
    Target(
        "files.daemon_json",
        _daemon_json,
        (InvalidConfig,),
        (b'{\n  "debug": true,\n  "registry-mirrors": ["https://m.example"]\n}\n', b'{"registry-mirrors": []}', b""),
        shape=JSON,
    ),
    Target(
        "files.marked_toml",
        _marked_toml,
        (InvalidConfig,),
        (b'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n', (block("a = 1\n", "b = 2\n") + "c = 3\n").encode()),
    ),
    Target(
        "files.containerd_listing",
        _containerd_listing,
        (),
        (f"{_DIGEST}\t2B\t3 days\tcontainerd.io/distribution.source.docker.io=library/a,library/b,x.y=z\n".encode(),),
    ),
    Target(
        "files.message",
        _message,
        (BadInput,),
        (
            json.dumps({"event": "error", "error": "DiskFull", "message": "m", "hint": "h"}).encode(),
            json.dumps({"event": "checked", "digest": str(_DIGEST), "size": 3, "ok": True, "reason": ""}).encode(),
            json.dumps([to_json(Naming(Reference.parse("a:1"), _NAMED.descriptor))]).encode(),
        ),
        shape=JSON,
    ),
)

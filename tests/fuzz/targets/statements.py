"""What other nodes sign: segments of a stream, evidence, and where they are; and the certificates that they and users have."""

import datetime as dt

from p2player.errors import InvalidConfig
from p2player.oci.digest import Digest
from p2player.peer.address import MAX_SEALED_ADDRESS, open_address, parse_nonce, seal_address
from p2player.peer.ca import Authority
from p2player.peer.evidence import MAX_EVIDENCE, Evidence, open_evidence, seal_evidence, vouch, voucher
from p2player.peer.identity import Identity
from p2player.peer.segments import HEADER_BYTES, Segment, SegmentReader, length_on_wire, new_run, segment_bytes
from p2player.peer.tlsfiles import TlsFiles
from p2player.store.merkle import MIN_PIECE, root_of_pieces
from p2player.store.states import START
from tests.fuzz.scratch import as_file
from tests.fuzz.target import Target, as_text

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

_SIGNER = Identity.from_seed(bytes(32))
_DIGEST = Digest.of(b"")
_NONCE = bytes(range(16))
_ADDRESSES = (("10.0.0.1", 7401), ("2001:db8::1", 1))
_PLACE = 2  # bytes of a stream that say how large the blob is
_CHUNK = 100
_NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
_AUTHORITY = Authority.new(_NOW)
_OWN = _AUTHORITY.issue_until("node", _NOW, _NOW + dt.timedelta(days=1))

_LAYER = bytes(range(64))
_EVIDENCE = Evidence(_DIGEST, 2 * MIN_PIECE, root_of_pieces(_LAYER, MIN_PIECE), START + bytes(32), _LAYER)


def _segments(data: bytes) -> None:
    size, stream = int.from_bytes(data[:_PLACE], "big"), data[_PLACE:]
    reader = SegmentReader(size, 0)
    found = [pair for at in range(0, len(stream), _CHUNK) for pair in reader.feed(stream[at : at + _CHUNK])]
    assert len(stream) <= length_on_wire(size, 0)
    assert found == SegmentReader(size, 0).feed(stream)
    for segment, content in found:
        assert 0 < len(content) <= segment_bytes(size)
        assert len(segment.pack()) == HEADER_BYTES
        assert Segment.unpack(segment.pack(), segment.offset) == segment
        assert not segment.is_signed(_DIGEST, size) or segment.signer == _SIGNER.public_key
        segment.is_of(content)


def _segment_stream(content: bytes) -> bytes:
    segment = Segment.sign(_SIGNER, new_run(), _DIGEST, len(content), 0, content)
    return len(content).to_bytes(_PLACE, "big") + segment.pack() + content


def _evidence(data: bytes) -> None:
    evidence = Evidence.parse(_DIGEST, data)
    assert evidence.pack() == data
    assert len(data) <= MAX_EVIDENCE
    assert evidence.count >= 2
    assert not evidence.shows(evidence.count - 1, b"other")
    if evidence.is_sound and evidence != _EVIDENCE:
        mine, other = evidence.places_of_dispute(_EVIDENCE)
        assert 0 <= mine < evidence.count
        assert 0 <= other < _EVIDENCE.count


def _voucher(data: bytes) -> None:
    signer = voucher(_DIGEST, _LAYER, as_text(data))
    assert signer in {None, _SIGNER.node_id}


def _sealed_evidence(data: bytes) -> None:
    assert open_evidence(_SIGNER.node_id, _DIGEST, data) == _EVIDENCE


def _nonce(data: bytes) -> None:
    assert parse_nonce(as_text(data)).hex() == as_text(data)


def _address(data: bytes) -> None:
    assert open_address(_SIGNER.node_id, _NONCE, data) in _ADDRESSES
    assert len(data) <= MAX_SEALED_ADDRESS


def _certificate(data: bytes) -> None:
    files = TlsFiles(as_file(_AUTHORITY.pem, "ca"), as_file(data, "certificate"), as_file(_OWN.key, "key"))
    found, until = files.read(_NOW.timestamp())
    assert found.certificate == _OWN.certificate
    assert until > _NOW.timestamp()


def _key(data: bytes) -> None:
    files = TlsFiles(as_file(_AUTHORITY.pem, "ca"), as_file(_OWN.certificate, "certificate"), as_file(data, "key"))
    files.read(_NOW.timestamp())


TARGETS = (
    Target(
        "peer.segments", _segments, (ValueError,), (_segment_stream(b"content"), _segment_stream(b"x" * 300), b"\0\0")
    ),
    Target("peer.evidence", _evidence, (ValueError,), (_EVIDENCE.pack(),)),
    Target("peer.voucher", _voucher, (), (vouch(_SIGNER, _DIGEST, _LAYER).encode(),)),
    Target("peer.sealed_evidence", _sealed_evidence, (ValueError,), (seal_evidence(_SIGNER, _EVIDENCE),)),
    Target("peer.nonce", _nonce, (ValueError,), (_NONCE.hex().encode(),)),
    Target(
        "peer.address",
        _address,
        (ValueError,),
        tuple(seal_address(_SIGNER, _NONCE, *address) for address in _ADDRESSES),
    ),
    Target("files.certificate", _certificate, (InvalidConfig,), (_OWN.certificate,)),
    Target("files.key", _key, (InvalidConfig,), (_OWN.key,)),
)

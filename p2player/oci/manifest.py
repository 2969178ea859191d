"""Manifests and indexes: what an image is made of (OCI image spec 1.1, Docker manifest schema 2)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from p2player.errors import DigestMismatch, InvalidDigest, InvalidManifest, P2PlayerError, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import JsonObject
from p2player.oci.mediatypes import DOCUMENTS, INDEXES, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, SCHEMA_1, is_distributable
from p2player.oci.platform import Platform

MAX_DOCUMENT = 4 * 1024 * 1024  # what the distribution spec asks a registry to accept at least
_MAX_SIZE = 2**63 - 1
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a document says about a blob it refers to (OCI image spec, descriptor.md). Sizes are bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    artifact_type: str | None = None
    annotations: Pairs = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, members: JsonObject) -> Self:
        """Return the descriptor with these members, or raise InvalidManifest."""
        try:
            digest = Digest.parse(members.text("digest"))
        except InvalidDigest as error:
            raise InvalidManifest(error.message, hint=error.hint) from error
        size = members.integer("size")
        if not 0 <= size <= _MAX_SIZE:
            raise InvalidManifest(f"a blob of {size} bytes: {digest}")
        return cls(
            media_type=members.text("mediaType"),
            digest=digest,
            size=size,
            platform=Platform.from_json(members.object("platform")) if "platform" in members else None,
            artifact_type=members.text_or("artifactType") or None,
            annotations=members.text_pairs("annotations"),
            urls=members.texts("urls"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the members of the descriptor's JSON object, those that are empty left out."""
        members: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            members["urls"] = list(self.urls)
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        if self.artifact_type:
            members["artifactType"] = self.artifact_type
        if self.platform:
            members["platform"] = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.variant:
                members["platform"]["variant"] = self.platform.variant
        return members

    def annotation(self, name: str) -> str | None:
        """Return the value of an annotation, or None."""
        return dict(self.annotations).get(name)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform, or any other artifact: a config blob and layers in their order."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Pairs = ()

    @classmethod
    def from_json(cls, members: JsonObject, media_type: str) -> Self:
        """Return the manifest with these members, or raise InvalidManifest."""
        return cls(
            media_type,
            config=Descriptor.from_json(members.object("config")),
            layers=tuple(map(Descriptor.from_json, members.objects("layers"))),
            subject=_subject(members),
            artifact_type=members.text_or("artifactType") or None,
            annotations=members.text_pairs("annotations"),
        )


@dataclass(frozen=True, slots=True)
class Index:
    """Several manifests under one name, as a rule one a platform."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Pairs = ()

    @classmethod
    def from_json(cls, members: JsonObject, media_type: str) -> Self:
        """Return the index with these members, or raise InvalidManifest."""
        return cls(
            media_type,
            manifests=tuple(map(Descriptor.from_json, members.objects("manifests"))),
            subject=_subject(members),
            artifact_type=members.text_or("artifactType") or None,
            annotations=members.text_pairs("annotations"),
        )

    def choose(self, platform: Platform) -> Descriptor:
        """Return the manifest that suits platform best; one that names no platform stands in where none suits.

        Raises ReferenceNotFound, with the platforms there are in its hint.
        """
        documents = [entry for entry in self.manifests if entry.media_type in DOCUMENTS]
        suited = [
            (entry.platform.level, entry)
            for entry in documents
            if entry.platform is not None and entry.platform.satisfies(platform)
        ]
        if suited:
            return max(suited, key=lambda pair: pair[0])[1]
        for entry in documents:
            if entry.platform is None:
                return entry
        offered = ", ".join(dict.fromkeys(str(entry.platform) for entry in documents))
        raise ReferenceNotFound(f"no image for {platform}", hint=f"there is one for: {offered}" if offered else "")


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index with its exact bytes, which its digest is of."""

    raw: bytes
    media_type: str
    digest: Digest
    content: Manifest | Index

    @classmethod
    def parse(cls, raw: bytes, *, media_type: str | None = None, digest: Digest | None = None) -> Self:
        """Return the document that raw is; media_type and digest are what it was announced as, where known.

        Raises DigestMismatch, or InvalidManifest for what is too large, malformed, ambiguous or of another type.
        """
        if len(raw) > MAX_DOCUMENT:
            raise InvalidManifest(f"a manifest of {len(raw)} bytes", hint=f"the limit is {MAX_DOCUMENT} bytes")
        if digest is not None and not digest.matches(raw):
            raise DigestMismatch(f"manifest {digest} has other content: {Digest.of(raw, digest.algorithm)}")
        members = JsonObject.parse(raw, "manifest", InvalidManifest)
        media_type = _media_type(members, media_type)
        kind = Index if media_type in INDEXES else Manifest
        return cls(raw, media_type, digest or Digest.of(raw), kind.from_json(members, media_type))

    @classmethod
    def of_image(cls, config: Descriptor, layers: tuple[Descriptor, ...]) -> Self:
        """Return a new OCI image manifest. The same parts give the same bytes."""
        members = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        raw = json.dumps(members, separators=(",", ":")).encode()
        return cls(raw, OCI_MANIFEST, Digest.of(raw), Manifest(OCI_MANIFEST, config, layers))

    @property
    def descriptor(self) -> Descriptor:
        """How another document refers to this one."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @property
    def referrer(self) -> Descriptor:
        """How the referrers API lists this document (OCI distribution spec, listing referrers)."""
        content = self.content
        artifact_type = content.artifact_type
        if not artifact_type and isinstance(content, Manifest) and content.config.media_type != OCI_EMPTY:
            artifact_type = content.config.media_type
        return Descriptor(
            self.media_type,
            self.digest,
            len(self.raw),
            artifact_type=artifact_type,
            annotations=content.annotations,
        )

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """Every blob this document needs, each once, foreign layers left out. A subject is not needed."""
        found: dict[Digest, Descriptor] = {}
        for entry in self._entries():
            if is_distributable(entry.media_type):
                found.setdefault(entry.digest, entry)
        return tuple(found.values())

    def _entries(self) -> Iterator[Descriptor]:
        if isinstance(self.content, Index):
            yield from self.content.manifests
        else:
            yield self.content.config
            yield from self.content.layers


def sniff(raw: bytes) -> Document | None:
    """Return the manifest or index that a blob of unknown kind happens to be, or None. Never raises."""
    if not raw.lstrip(b" \t\r\n").startswith(b"{"):
        return None
    try:
        return Document.parse(raw)
    except P2PlayerError:
        return None


def _media_type(members: JsonObject, announced: str | None) -> str:
    declared = members.text_or("mediaType") or None
    if SCHEMA_1 & {declared, announced} or ("schemaVersion" in members and members.integer("schemaVersion") == 1):
        raise InvalidManifest(
            "a Docker schema 1 manifest, which names no config", hint="push the image again with a current tool"
        )
    if members.integer("schemaVersion") != 2:
        raise InvalidManifest("a manifest of an unknown schema version")
    if declared and announced and declared != announced:
        raise InvalidManifest(f"a manifest announced as {announced} that calls itself {declared}")
    media_type = declared or announced or (OCI_INDEX if "manifests" in members else OCI_MANIFEST)
    if media_type not in DOCUMENTS:
        raise InvalidManifest(f"a manifest of an unknown media type: {media_type[:200]}")
    # Read as both kinds, one digest would mean two images (CVE-2021-41190).
    if any(key in members for key in (("config", "layers") if media_type in INDEXES else ("manifests",))):
        raise InvalidManifest(f"not what it is called, {media_type}, or not only that")
    return media_type


def _subject(members: JsonObject) -> Descriptor | None:
    return Descriptor.from_json(members.object("subject")) if "subject" in members else None

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import DigestMismatch, InvalidManifest, P2PlayerError, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import JsonObject
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document, Index, Manifest, sniff
from p2player.oci.mediatypes import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)
from p2player.oci.platform import Platform

CONFIG = {"mediaType": OCI_CONFIG, "digest": str(Digest.of(b"config")), "size": 6}
LAYER = {"mediaType": OCI_LAYER, "digest": str(Digest.of(b"layer")), "size": 5}
FOREIGN = {
    "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "digest": str(Digest.of(b"foreign")),
    "size": 7,
    "urls": ["https://vendor.example/layer"],
}


def manifest(**changes):
    members = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]} | changes
    return json.dumps({key: value for key, value in members.items() if value is not ...}).encode()


def index(*platforms, **changes):
    manifests = [
        {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(str(number).encode())), "size": number}
        | (
            {"platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))}
            if platform
            else {}
        )
        for number, platform in enumerate(platforms)
    ]
    members = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests} | changes
    return json.dumps({key: value for key, value in members.items() if value is not ...}).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([OCI_INDEX, OCI_MANIFEST]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
descriptors = st.builds(
    Descriptor,
    media_type=st.sampled_from([OCI_LAYER, OCI_MANIFEST, "x/y"]),
    digest=st.builds(Digest.of, st.binary(max_size=4), st.sampled_from(["sha256", "sha512"])),
    size=st.integers(0, 2**63 - 1),
    platform=st.none() | st.builds(Platform, st.just("linux"), st.just("arm"), st.sampled_from(["", "v7"])),
    artifact_type=st.none() | st.just("application/vnd.example"),
    annotations=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2).map(lambda d: tuple(d.items())),
    urls=st.sampled_from([(), ("https://a.example",)]),
)


@given(descriptors)
def test_descriptor_reads_back_what_it_writes(descriptor):
    raw = json.dumps(descriptor.to_json()).encode()

    assert Descriptor.from_json(JsonObject.parse(raw, "descriptor", InvalidManifest)) == descriptor


@pytest.mark.parametrize("change", [{"size": -1}, {"size": 2**63}, {"digest": "sha256:x"}, {"mediaType": None}])
def test_malformed_descriptor_makes_the_manifest_invalid(change):
    with pytest.raises(InvalidManifest):
        Document.parse(manifest(layers=[LAYER | change]))


@pytest.mark.parametrize(
    ("raw", "media_type", "kind"),
    [
        (manifest(), OCI_MANIFEST, Manifest),
        (manifest(mediaType=DOCKER_MANIFEST), DOCKER_MANIFEST, Manifest),
        (manifest(mediaType=...), OCI_MANIFEST, Manifest),
        (index("linux/amd64"), OCI_INDEX, Index),
        (index("linux/amd64", mediaType=DOCKER_LIST), DOCKER_LIST, Index),
        (index(mediaType=...), OCI_INDEX, Index),
    ],
)
def test_document_knows_its_kind_and_its_exact_bytes(raw, media_type, kind):
    document = Document.parse(raw)

    assert document.media_type == document.content.media_type == media_type
    assert isinstance(document.content, kind)
    assert document.raw == raw
    assert document.descriptor == Descriptor(media_type, Digest.of(raw), len(raw))


def test_announced_media_type_stands_in_for_a_missing_one_and_may_not_contradict():
    assert Document.parse(manifest(mediaType=...), media_type=DOCKER_MANIFEST).media_type == DOCKER_MANIFEST
    with pytest.raises(InvalidManifest, match="calls itself"):
        Document.parse(manifest(), media_type=DOCKER_MANIFEST)


def test_bytes_that_are_not_what_their_digest_says_are_refused():
    assert Document.parse(manifest(), digest=Digest.of(manifest(), "sha512")).digest.algorithm == "sha512"
    with pytest.raises(DigestMismatch):
        Document.parse(manifest(), digest=Digest.of(b"other"))


@pytest.mark.parametrize(
    "raw",
    [
        manifest(schemaVersion=1),
        manifest(mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws", schemaVersion=...),
    ],
)
def test_schema_1_is_refused_with_advice(raw):
    with pytest.raises(InvalidManifest, match="schema 1") as caught:
        Document.parse(raw)
    assert "push the image again" in caught.value.hint


@pytest.mark.parametrize(
    "raw",
    [
        manifest(manifests=[]),
        manifest(mediaType=OCI_INDEX),
        manifest(mediaType=OCI_INDEX, config=...),
        index(config=CONFIG),
        index(layers=[]),
        index(mediaType=OCI_MANIFEST),
    ],
)
def test_a_document_that_could_be_read_as_both_kinds_is_refused(raw):
    with pytest.raises(InvalidManifest):
        Document.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        manifest(schemaVersion=...),
        manifest(schemaVersion=3),
        manifest(config=...),
        manifest(mediaType="application/json"),
        manifest(layers={}),
        b" " * (MAX_DOCUMENT + 1),
    ],
)
def test_what_is_no_manifest_is_refused_and_not_sniffed(raw):
    with pytest.raises(InvalidManifest):
        Document.parse(raw)
    assert sniff(raw) is None


@given(st.dictionaries(st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests"]), json_values))
def test_any_json_is_a_document_or_refused(members):
    raw = json.dumps({"schemaVersion": 2} | members).encode()
    try:
        document = Document.parse(raw)
    except P2PlayerError:
        assert sniff(raw) is None
    else:
        assert sniff(raw) == document


@given(st.binary(max_size=200))
def test_sniffing_any_bytes_never_fails(raw):
    assert sniff(raw) is None
    assert sniff(b"{" + raw) is None


def test_children_are_what_must_be_there_each_once():
    document = Document.parse(
        manifest(layers=[LAYER, FOREIGN, LAYER], subject=LAYER | {"digest": str(Digest.of(b"s"))})
    )

    assert [child.digest for child in document.children] == [Digest.of(b"config"), Digest.of(b"layer")]
    assert document.content.subject.digest == Digest.of(b"s")
    assert len(document.content.layers) == 3


def test_children_of_an_index_are_its_manifests():
    assert [child.size for child in Document.parse(index("linux/amd64", "linux/arm64")).children] == [0, 1]


def choose(platform, *offered):
    return Document.parse(index(*offered)).content.choose(Platform.parse(platform)).size


def test_choose_prefers_the_newest_variant_that_still_runs():
    assert choose("linux/amd64", "linux/arm64", "linux/amd64") == 1
    assert choose("linux/arm/v7", "linux/arm/v5", "linux/arm/v6", "linux/arm/v8") == 1
    assert choose("linux/amd64/v3", "linux/amd64", "linux/amd64/v2", "linux/amd64/v4") == 1


def test_choose_takes_the_first_of_equals():
    assert choose("linux/amd64", "unknown/unknown", "linux/amd64", "linux/amd64") == 1


def test_choose_falls_back_to_a_manifest_that_names_no_platform():
    assert choose("linux/amd64", "linux/arm64", None) == 1
    assert choose("linux/amd64", None, "linux/amd64") == 1


def test_choose_says_which_platforms_there_are():
    with pytest.raises(ReferenceNotFound, match="linux/s390x") as caught:
        choose("linux/s390x", "linux/amd64", "linux/arm/v7", "linux/amd64")
    assert caught.value.hint == "there is one for: linux/amd64, linux/arm/v7"


def test_choose_passes_over_entries_that_are_no_manifests():
    with pytest.raises(ReferenceNotFound):
        Document.parse(index(manifests=[LAYER])).content.choose(Platform.host())


def test_referrer_carries_the_artifact_type_and_annotations_of_the_document():
    typed = Document.parse(manifest(artifactType="application/vnd.sbom", annotations={"a": "b"})).referrer
    by_config = Document.parse(manifest(config=CONFIG | {"mediaType": "application/vnd.signature"})).referrer
    empty = Document.parse(manifest(config=CONFIG | {"mediaType": OCI_EMPTY})).referrer

    assert (typed.artifact_type, typed.annotations) == ("application/vnd.sbom", (("a", "b"),))
    assert by_config.artifact_type == "application/vnd.signature"
    assert empty.artifact_type is None
    assert Document.parse(index()).referrer.artifact_type is None


def test_annotation_is_found_by_name():
    descriptor = Descriptor(OCI_LAYER, Digest.of(b""), 0, annotations=(("a", "1"),))

    assert descriptor.annotation("a") == "1"
    assert descriptor.annotation("b") is None


def test_made_manifest_reads_back_and_is_always_the_same():
    made = Document.of_image(Descriptor(OCI_CONFIG, Digest.of(b"c"), 1), (Descriptor(OCI_LAYER, Digest.of(b"l"), 1),))

    assert made == Document.parse(made.raw)
    assert made.digest.hex == "5744d57959948988c5b235a08f3163ac4250dfce70921daf1643e6928181901f"

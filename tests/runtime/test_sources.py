import pytest

from p2player.errors import BadInput
from p2player.oci.docker_archive import DockerArchiveSource
from p2player.oci.layout import LayoutArchiveSource, LayoutSource
from p2player.oci.source import FileSource
from p2player.runtime.sources import open_source

INDEX = (
    b'{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,'
    b'"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
    b'"annotations":{"org.opencontainers.image.ref.name":"example.com/app:1"}}]}'
)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("oci:{}", LayoutSource),
        ("oci:{}:example.com/app:1", LayoutSource),
        ("oci-archive:{}/index.json", LayoutArchiveSource),
        ("docker-archive:{}/index.json", DockerArchiveSource),
        ("{}/index.json", FileSource),
    ],
)
def test_a_prefix_says_what_kind_of_source_is_meant(tmp_path, spec, kind):
    (tmp_path / "index.json").write_bytes(INDEX)

    with open_source(spec.format(tmp_path)) as source:
        assert isinstance(source, kind)
        assert str(tmp_path) in source.label


def test_a_daemon_is_a_source(serve_daemon, archive, monkeypatch):
    path, _ = serve_daemon(200, archive)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")

    with open_source("docker-daemon:app:1") as source:
        assert source.label == "docker-daemon:docker.io/library/app:1"


@pytest.mark.parametrize("spec", ["", "none", "docker://app:1", "zip:file"])
def test_what_is_neither_a_kind_nor_a_file_is_refused_with_the_kinds_there_are(spec):
    with pytest.raises(BadInput, match="cannot read") as caught:
        open_source(spec)
    assert "docker-daemon:REF" in caught.value.hint


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_a_file_that_is_not_there_is_refused(tmp_path, kind):
    with pytest.raises(BadInput, match="cannot read"):
        open_source(f"{kind}:{tmp_path}/none")


@pytest.mark.parametrize("spec", ["containerd:docker.io/library/app:1", "containerd@k8s.io:docker.io/library/app:1"])
def test_an_image_of_containerds_is_a_source(tmp_path, monkeypatch, archive, spec):
    (tmp_path / "image.tar").write_bytes(archive)
    (tmp_path / "ctr").write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\nexec cat {tmp_path}/image.tar\n')
    (tmp_path / "ctr").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with open_source(spec) as source:
        for blob in source.blobs():
            blob.stream.read()
        assert [image.name for image in source.images()] == ["app:1"]
    namespace = "--namespace k8s.io " if "@" in spec else ""
    assert (tmp_path / "asked").read_text() == f"{namespace}images export - docker.io/library/app:1\n"

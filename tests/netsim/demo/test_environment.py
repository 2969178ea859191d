import json
import os
import subprocess
import tarfile

import pytest

from netsim.demo.environment import KINDS, environment_image

pytestmark = pytest.mark.xdist_group("environment")  # the image takes long to make: once is enough


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return environment_image(tmp_path_factory.mktemp("environment") / "layout", "1")


@pytest.fixture(scope="module")
def layers(image):
    return [image.path(digest) for digest in image.layers]


@pytest.fixture(scope="module")
def command(image):
    return json.loads(image.path(image.config).read_bytes())["config"]["Cmd"]


def names(layer):
    with tarfile.open(layer) as archive:
        return archive.getnames()


def test_every_blob_has_a_kind(image):
    assert len(image.sizes) == len(KINDS)


def test_what_the_command_needs_is_in_the_lowest_and_the_highest_layer(layers, command):
    interpreter, program = (path.lstrip("/") for path in command)
    assert interpreter in names(layers[0])
    assert program in names(layers[-1])


def test_nothing_compiled_and_no_tests_are_shipped(layers):
    shipped = [name for layer in layers for name in names(layer)]
    assert not [name for name in shipped if "/__pycache__" in name or "/test/" in name]


def test_members_do_not_say_who_made_the_image_or_when(layers):
    for layer in layers:
        with tarfile.open(layer) as archive:
            assert {(member.uid, member.gid, member.uname, member.mtime) for member in archive} == {(0, 0, "", 0)}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_container_of_it_greets(layers, command, tmp_path):
    for layer in layers:
        subprocess.run(["tar", "-xzf", layer, "-C", tmp_path], check=True)
    run = subprocess.run(["chroot", tmp_path, *command], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("Hello from an image that no registry ever saw:")

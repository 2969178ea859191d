from pathlib import Path

import pytest

from netsim.emulate.busybox import busybox_image

pytestmark = pytest.mark.skipif(not Path("/bin/busybox").exists(), reason="busybox-static is not installed")


def test_a_greeting_makes_an_image_of_its_own_and_the_same_again(tmp_path):
    images = [busybox_image(tmp_path / name, greeting) for name, greeting in (("a", "one"), ("b", "one"), ("c", "two"))]
    assert images[0].digest == images[1].digest != images[2].digest


def test_ballast_makes_it_as_large_as_wanted(tmp_path):
    bare, large = busybox_image(tmp_path / "a", "one"), busybox_image(tmp_path / "b", "one", ballast=20 << 20)
    assert 0 <= large.total - bare.total - (20 << 20) < 20_000

import tarfile
from random import Random

from netsim.noise import noise_image


def test_an_image_has_layers_that_cannot_be_packed(tmp_path):
    image = noise_image(tmp_path / "image", (1_500_000, 1_500_000, 3000), Random(1))
    assert len(set(image.layers)) == 3
    for size, layer in zip((1_500_000, 1_500_000, 3000), image.layers, strict=True):
        assert size <= image.sizes[layer] < size + 100_000
    with tarfile.open(image.path(image.layers[0])) as archive:
        assert sum(member.size for member in archive) == 1_500_000


def test_the_same_seed_gives_the_same_image_and_another_one_no_layer_of_it(tmp_path):
    first, same, other = (
        noise_image(tmp_path / name, [1000], Random(seed)) for name, seed in (("first", 1), ("same", 1), ("other", 2))
    )
    assert first.sizes == same.sizes
    assert not first.sizes.keys() & other.sizes.keys()

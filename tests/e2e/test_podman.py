import pytest

from netsim.emulate.debian import GREETING
from netsim.emulate.processes import ProgramError


def test_podman_pulls_an_unmodified_name_through_registries_conf_and_runs_it(podman, fetched):
    podman.pull("registry.example/team/app:1")
    assert podman.run("registry.example/team/app:1") == f"{GREETING}\n"
    fetched()


def test_podman_hears_soon_that_nobody_has_an_image(podman):
    with pytest.raises(ProgramError, match="manifest unknown"):
        podman.pull("registry.example/team/absent:1")

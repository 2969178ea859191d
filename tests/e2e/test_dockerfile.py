import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from netsim.emulate.processes import free_port, run
from netsim.emulate.runtimes import Podman
from tests.wrongbytes import require_same

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def engine(require, directory):
    require("podman", "buildah", "runc")
    root = directory / "engine"
    root.mkdir()
    return Podman(root)


@pytest.fixture
def base(engine, debian, directory):
    """A local image with Python and, since the build has no network, every wheel that pip will ask for."""
    engine.load(debian.layout, "localhost/debian:1")
    container = engine.buildah("from", "--pull-never", "localhost/debian:1").strip()
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = engine.buildah("run", "--network", "none", container, "python3", "-c", version).strip()
    wheels = directory / "wheels"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version", python]
    run([*pip, "--dest", str(wheels), *needed])
    engine.buildah("copy", container, str(wheels), "/wheels")
    engine.buildah("config", "--env", "PIP_NO_INDEX=1", "--env", "PIP_FIND_LINKS=/wheels", container)
    engine.buildah("commit", container, "localhost/base:1")
    return "localhost/base:1"


@pytest.mark.faults
def test_the_dockerfile_makes_an_image_that_serves(engine, base, seed, image, directory):
    build = ("build", "--network", "none", "--pull-never", "--build-arg", f"BASE={base}")
    engine.buildah(*build, "--tag", "localhost/p2player:1", str(REPOSITORY))
    registry = f"127.0.0.1:{free_port()}"
    serve = ("serve", "--registry", registry, "--cluster", "127.0.0.1:0", "--join", seed.cluster, "--configured-only")
    url = f"http://{registry}/v2/registry.example/team/app/manifests/1"

    def manifest():
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read()
        except OSError:  # not yet listening, or not yet joined
            return None

    with engine.serve("localhost/p2player:1", *serve, log=directory / "container.log") as container:
        require_same(container.wait_until(manifest), image.path(image.digest).read_bytes())

"""A very short soak, to see that it works; the long ones are `make soak`."""

import json
import subprocess
import sys

from tests.wrongbytes import WrongBytes


def test_a_short_soak_finds_nothing_wrong(require):
    require("docker-registry", "skopeo")
    command = [sys.executable, "-m", "netsim.soak", "--minutes", "0.12", "--nodes", "2", "--images", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    report = json.loads(done.stdout or "{}")
    if any("bytes" in text or "damaged" in text for text in report.get("wrong", ())):
        raise WrongBytes(done.stdout)
    assert (done.returncode, report.get("wrong")) == (0, []), done.stderr
    assert report["verified"]

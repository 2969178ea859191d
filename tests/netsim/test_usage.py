import os
import subprocess
import sys

from netsim.emulate.usage import cpu_seconds, open_files, peak_resident, resident


def test_this_process_takes_something():
    pid = os.getpid()
    assert cpu_seconds(pid) > 0
    assert 2**20 < resident(pid) <= peak_resident(pid) < 2**40


def test_the_peak_remembers_what_was_given_back():
    script = "data = bytearray(b'x') * 64_000_000\ndel data\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert peak_resident(process.pid) > 64_000_000
        assert resident(process.pid) < 64_000_000
        process.stdin.close()


def test_open_files_are_told_by_path_and_those_that_are_gone_as_gone(tmp_path):
    file = tmp_path / "file"
    with file.open("w"):
        assert str(file) in open_files(os.getpid())
        file.unlink()
        assert f"{file} (deleted)" in open_files(os.getpid())
    assert not [path for path in open_files(os.getpid()) if str(file) in path]

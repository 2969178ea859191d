import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ONCE_WELL = """
import pytest
from tests.wrongbytes import WrongBytes, require_same

def first_time(tmp_path_factory, name):
    mark = tmp_path_factory.getbasetemp().parent / name
    first = not mark.exists()
    mark.touch()
    return first
"""
FAULTS = f"""{ONCE_WELL}
def test_late(tmp_path_factory):
    assert not first_time(tmp_path_factory, "late")

async def test_late_in_a_loop(tmp_path_factory):
    assert not first_time(tmp_path_factory, "loop")

def test_late_twice(tmp_path_factory):
    assert not first_time(tmp_path_factory, "twice")
    assert not first_time(tmp_path_factory, "twice again")

@pytest.mark.timeout(0.5)
def test_hangs(tmp_path_factory):
    first_time(tmp_path_factory, "hangs")
    while True:
        pass

def test_wrong(tmp_path_factory):
    require_same(b"some" if first_time(tmp_path_factory, "wrong") else b"same", b"same")
"""
STORE = f"""{ONCE_WELL}
def test_unsteady(tmp_path_factory):
    assert not first_time(tmp_path_factory, "unsteady")
"""
GROUPED = """
import os
import pytest

@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    (tmp_path_factory.getbasetemp().parent / f"worker-{os.getpid()}").touch()

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(20))
def test_together(worker, number):
    pass
"""
FIXTURE = """
import pytest

@pytest.fixture
def of_the_folder():
    pass
"""
USED = "def test_it(of_the_folder):\n    pass\n"
CRASH = "import os\n\ndef test_crash():\n    os.abort()\n"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs tests of these folders, or those named, as `make test` does, and returns its exit code and output."""

    def run(*named, workers=1, **files):
        shutil.copy(HERE.parent / "pyproject.toml", tmp_path)
        for name, text in files.items():
            (tmp_path / "tests" / name).mkdir(parents=True)
            (tmp_path / "tests" / name / "test_it.py").write_text(text)
        for name in ("conftest.py", "wrongbytes.py"):
            shutil.copy(HERE / name, tmp_path / "tests")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-n", f"{workers}", "--dist", "loadgroup"),
                *("--max-worker-restart", "0"),
                *("--basetemp", tmp_path / "base"),
                *named,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_what_runs_against_the_clock_is_tried_three_times_unless_a_byte_was_wrong_and_nothing_else_is(run):
    code, output = run(faults=FAULTS, store=STORE)
    assert code == 1
    assert set(re.findall(r"^FAILED tests/(\S+)", output, re.MULTILINE)) == {
        "faults/test_it.py::test_hangs",
        "faults/test_it.py::test_wrong",
        "store/test_it.py::test_unsteady",
    }
    assert set(re.findall(r"^RERUN tests/(\S+)", output, re.MULTILINE)) == {
        "faults/test_it.py::test_late",
        "faults/test_it.py::test_late_in_a_loop",
        "faults/test_it.py::test_late_twice",
        "faults/test_it.py::test_hangs",
    }
    assert "3 failed, 3 passed, 6 rerun" in output, output


def test_a_crash_is_a_failure_and_ends_the_run(run):
    code, output = run(faults=CRASH)
    assert code == 1
    assert "1 failed" in output, output


def test_what_is_in_one_group_is_run_by_one_worker(run, tmp_path):
    code, output = run(workers=2, e2e=GROUPED)
    assert code == 0, output
    assert len(list((tmp_path / "base").glob("worker-*"))) == 1


def test_a_folder_keeps_its_fixtures_though_a_file_of_another_is_named_between_two_of_its_own(run, tmp_path):
    folder = tmp_path / "tests" / "store"
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(FIXTURE)
    named = folder / "test_one.py", folder.parent / "test_between.py", folder / "test_other.py"
    for file in named:
        file.write_text(USED if file.parent == folder else "def test_it():\n    pass\n")
    code, output = run(*named)
    assert code == 0, output

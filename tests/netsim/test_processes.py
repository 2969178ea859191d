import os
import sys
from pathlib import Path

import pytest

from netsim.emulate.processes import Program, ProgramError, free_port, run, wait_until

_PARENT = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]).pid, flush=True)
signal.pause()
"""


def program(tmp_path, code):
    return Program([sys.executable, "-c", code], tmp_path / "log")


def printed(tmp_path):
    return (tmp_path / "log").read_text() or None


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_run_returns_what_was_printed():
    assert run(["echo", "hello"]) == "hello\n"


def test_run_names_the_command_and_shows_its_output_when_it_fails():
    with pytest.raises(ProgramError, match=r"sh -c .*: exit 3\nout\nwhy"):
        run(["sh", "-c", "echo out; echo why >&2; exit 3"])


def test_run_ends_what_takes_too_long():
    with pytest.raises(ProgramError, match="not done after"):
        run(["sleep", "60"], timeout=0.05)


def test_run_adds_to_the_environment():
    assert run(["sh", "-c", 'echo "$PLACE $HOME"'], env={"PLACE": "here"}) == f"here {os.environ['HOME']}\n"


def test_wait_until_returns_the_first_answer():
    answers = iter([None, None, "third"])
    assert wait_until(lambda: next(answers), "it") == "third"


def test_wait_until_says_what_did_not_happen():
    with pytest.raises(ProgramError, match="the sun: not ready after 0 s"):
        wait_until(lambda: None, "the sun", timeout=0)


def test_a_killed_program_takes_its_children_along(tmp_path):
    parent = program(tmp_path, _PARENT)
    with parent:
        child = int(parent.wait_until(lambda: printed(tmp_path)))
        parent.kill()
        wait_until(lambda: None if is_running(child) else True, "the child's end")


def test_leaving_the_context_ends_a_program(tmp_path):
    with program(tmp_path, "import os, signal; print(os.getpid(), flush=True); signal.pause()") as running:
        pid = int(running.wait_until(lambda: printed(tmp_path)))
        assert is_running(pid)
    assert not is_running(pid)


def test_waiting_for_a_program_that_ended_shows_its_log(tmp_path):
    failing = program(tmp_path, "raise SystemExit('no disk')")
    with failing, pytest.raises(ProgramError, match="ended before it was ready\nno disk"):
        failing.wait_until(lambda: None)


def test_stopping_twice_is_harmless(tmp_path):
    running = program(tmp_path, "import signal; signal.pause()")
    running.start()
    running.stop()
    running.stop()


def test_a_free_port_is_between_the_privileged_and_the_last():
    assert 1023 < free_port() < 65536

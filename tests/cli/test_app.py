import subprocess
import sys

import pytest

import p2player
from p2player.cli import app
from p2player.errors import DiskFull


def test_help_lists_every_verb_and_exit_code(run):
    told = run("--help")
    assert told.code == 0
    assert all(verb in told.out for verb in app.VERBS)
    assert "130 interrupted" in told.out


def test_help_loads_no_verb():
    code = (
        "import sys; from p2player.cli import main; main(['--help']);"
        "sys.exit(any(m in sys.modules for m in ('aiohttp', 'libtorrent', 'rich', 'cryptography', 'asyncio')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("verb", app.VERBS)
def test_every_verb_explains_itself(run, verb):
    told = run(verb, "--help")
    assert told.code == 0
    assert "--json" in told.out


def test_the_version_is_that_of_the_package(run):
    assert run("--version").out == f"p2player {p2player.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["status", "--nonsense"], ["rm"], ["seed"], ["fetch"]])
def test_wrong_usage_exits_2(run, arguments):
    told = run(*arguments)
    assert told.code == 2
    assert "Usage:" in told.err


def test_wrong_usage_is_one_object_for_programs(run):
    told = run("rm", "--json")
    assert told.code == 2
    (error,) = told.objects
    assert (error["error"], error["exit_code"]) == ("UsageError", 2)


def test_an_error_is_a_message_and_a_hint(run, tmp_path):
    told = run("status", "--data-dir", tmp_path)
    assert (told.code, told.out) == (5, "")
    message, hint = told.err.splitlines()
    assert message.startswith("error: no daemon answers at")
    assert hint.startswith("hint: start one")


def test_an_error_is_one_object_for_programs(run, tmp_path):
    told = run("status", "--data-dir", tmp_path, "--json")
    assert (told.code, told.err) == (5, "")
    (error,) = told.objects
    assert (error["error"], error["exit_code"]) == ("DaemonUnreachable", 5)
    assert error["message"]
    assert error["hint"]


def test_a_bad_setting_exits_2_and_says_where_it_stands(run, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("data_dirr = 'x'")
    told = run("status", "--config", file)
    assert told.code == 2
    assert "data_dirr" in told.err
    assert "data_dir?" in told.err


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """Make `status` fail with an error."""

    def fail_with(error):
        def fail(*_):
            raise error

        monkeypatch.setattr("p2player.cli.status.ask", fail)

    return fail_with


def test_a_bug_is_one_line_that_says_so(run, failing):
    failing(KeyError("x"))
    told = run("status")
    assert told.code == 1
    assert "this is a bug" in told.err
    assert "Traceback" not in told.err


def test_a_bug_shows_its_traceback_on_request(run, failing, monkeypatch):
    failing(KeyError("x"))
    assert "Traceback" in run("--debug", "status").err
    monkeypatch.setenv("P2PLAYER_DEBUG", "1")
    assert "Traceback" in run("status").err


def test_every_error_exits_with_its_code(run, failing):
    failing(DiskFull("full"))
    assert run("status").code == DiskFull.exit_code == 6


def test_an_interrupt_exits_130_without_a_word(run, failing):
    failing(KeyboardInterrupt())
    told = run("status")
    assert (told.code, told.out) == (130, "")
    assert "Traceback" not in told.err


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "p2player", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(10) == 141
    process.stderr.close()

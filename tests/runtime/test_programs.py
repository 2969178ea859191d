import asyncio
import contextlib
from pathlib import Path

import pytest

from p2player.errors import DaemonUnreachable
from p2player.runtime.programs import ProgramStream, lines_of, output_of


def runs(pid):
    return Path(f"/proc/{pid}").exists()


async def test_output_is_what_was_printed():
    assert await output_of("sh", "-c", "echo one; echo two >&2") == "one\n"


async def test_a_program_that_fails_is_told_with_what_it_said():
    with pytest.raises(DaemonUnreachable, match="no such socket") as failed:
        await output_of("sh", "-c", "echo no such socket >&2; exit 3")
    assert "sh -c" in failed.value.hint


async def test_a_program_that_is_not_there_is_told():
    with pytest.raises(DaemonUnreachable, match="No such file"):
        await output_of("/nowhere/ctr")
    with pytest.raises(DaemonUnreachable, match="No such file"):
        async for _ in lines_of("/nowhere/ctr"):
            pass
    with pytest.raises(DaemonUnreachable, match="No such file"):
        ProgramStream("/nowhere/ctr")


async def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(DaemonUnreachable, match="no answer"):
        await output_of("sleep", "60", patience=0.01)


async def test_lines_come_as_they_are_printed_and_the_program_ends_with_its_reader():
    lines = lines_of("sh", "-c", "echo $$; exec sleep 60")
    async with contextlib.aclosing(lines):
        pid = int(await anext(lines))
        assert runs(pid)
    assert not runs(pid)


async def test_a_program_that_fails_after_its_lines_is_told():
    async with contextlib.aclosing(lines_of("sh", "-c", "echo one; echo gone >&2; exit 1")) as lines:
        assert await anext(lines) == "one\n"
        with pytest.raises(DaemonUnreachable, match="gone"):
            await anext(lines)


async def test_a_reader_that_is_interrupted_ends_the_program():
    lines = lines_of("sh", "-c", "echo $$; exec sleep 60")
    pid = int(await anext(lines))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(lines)
    assert not runs(pid)


def test_a_stream_gives_all_and_then_the_failure():
    stream = ProgramStream("sh", "-c", "printf 12345; echo broken >&2; exit 1")
    assert stream.read(3) + stream.read(3) == b"12345"
    with pytest.raises(DaemonUnreachable, match="broken"):
        stream.read(3)
    stream.close()


def test_a_stream_that_is_closed_early_ends_its_program():
    stream = ProgramStream("sh", "-c", "echo 1; exec sleep 60")
    assert stream.read(1) == b"1"
    stream.close()
    assert not runs(stream._process.pid)

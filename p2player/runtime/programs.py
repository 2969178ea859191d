"""Programs of a container runtime whose output is read: all of it, line by line, or as it comes."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import IO, Final

from p2player.errors import DaemonUnreachable

_PATIENCE: Final = 30.0
_MAX_COMPLAINT: Final = 300
_MAX_LINE: Final = 1024 * 1024


async def output_of(*argv: str, patience: float = _PATIENCE) -> str:
    """Return what a program printed. Raises DaemonUnreachable if it is not there, fails, or takes over patience seconds.

    A Ctrl-C does not reach it: whoever waits for it is interrupted, ends it, and can still clean up after it.
    """
    async with _running(argv) as process:
        try:
            async with asyncio.timeout(patience):
                output, complaint = await process.communicate()
        except TimeoutError as error:
            raise _failure(argv, f"no answer within {patience:.0f} s") from error
        if process.returncode:
            raise _failure(argv, complaint.decode(errors="replace"))
        return output.decode(errors="replace")


async def lines_of(*argv: str) -> AsyncGenerator[str, None]:
    """Yield the lines that a program prints, until it ends. Raises DaemonUnreachable if it is not there or fails."""
    async with _running(argv) as process:
        if process.stdout is None or process.stderr is None:
            raise AssertionError("both are pipes")
        async for line in process.stdout:
            yield line.decode(errors="replace")
        complaint = await process.stderr.read(_MAX_LINE)
        if await process.wait():
            raise _failure(argv, complaint.decode(errors="replace"))


@asynccontextmanager
async def _running(argv: tuple[str, ...]) -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
            start_new_session=True,
        )
    except OSError as error:
        raise _failure(argv, str(error)) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            # Not `process.kill()`: of a program that has just ended it takes the exit code, which asyncio then misses.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()


class ProgramStream:
    """What a program writes, for reading. A program that fails is unreachable, whatever it has written before."""

    def __init__(self, *argv: str) -> None:
        self._argv = argv
        self._complaint = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the stream)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (the runtime's own program, found as it finds itself)
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._complaint
            )
        except OSError as error:
            self._complaint.close()
            raise _failure(argv, str(error)) from error
        if self._process.stdout is None:
            raise AssertionError("it is a pipe")
        self._output: IO[bytes] = self._process.stdout

    def read(self, size: int = -1, /) -> bytes:
        """Return up to size bytes. Raises DaemonUnreachable at the end of what a failing program has written."""
        data = self._output.read(size)
        if not data and size and self._process.wait():
            self._complaint.seek(0)
            raise _failure(self._argv, self._complaint.read(_MAX_LINE).decode(errors="replace"))
        return data

    def close(self) -> None:
        """End the program if it still runs."""
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._complaint.close()


def _failure(argv: tuple[str, ...], reason: str) -> DaemonUnreachable:
    told = " ".join(reason.split())[-_MAX_COMPLAINT:]
    return DaemonUnreachable(f"{argv[0]} failed: {told}", hint=f"see what `{' '.join(argv)}` says")

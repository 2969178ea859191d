"""Real programs as children of this one, none of which outlives it.

A runtime leaves shims, containers and mounts behind when it is killed. So it is started in an enclosure: process and
mount namespaces of its own, with an empty /run. When the enclosure's first process ends, the kernel ends the others and
forgets their mounts, whatever state they are in, and whatever a runtime of the machine itself is doing.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

_ENCLOSURE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_OWN_RUN = ("sh", "-c", 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"', "sh")
_POLL_SECONDS = 0.05
_STOP_SECONDS = 15
_LOG_TAIL = 2000


class ProgramError(Exception):
    """A program ended with an error, or did not become ready in time. Says what it printed last."""


def enclosed(argv: Sequence[str]) -> list[str]:
    """Return the command that runs argv in an enclosure. Needs root."""
    return [*_ENCLOSURE, *_OWN_RUN, *argv]


def run(argv: Sequence[str], *, timeout: float = 300, env: Mapping[str, str] | None = None) -> str:
    """Return what argv printed. Raises ProgramError with its output if it fails or takes over timeout seconds."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, env=_environment(env), check=False)
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{' '.join(argv)}: not done after {timeout} s") from error
    if done.returncode != 0:
        output = (done.stdout + done.stderr)[-_LOG_TAIL:]
        raise ProgramError(f"{' '.join(argv)}: exit {done.returncode}\n{output}")
    return done.stdout


def wait_until(ready: Callable[[], T | None], what: str, *, timeout: float = 30) -> T:
    """Return the first answer of ready that is not None. Raises ProgramError after timeout seconds without one."""
    deadline = time.monotonic() + timeout
    while (answer := ready()) is None:
        if time.monotonic() > deadline:
            raise ProgramError(f"{what}: not ready after {timeout} s")
        time.sleep(_POLL_SECONDS)
    return answer


def free_port() -> int:
    """Return a loopback TCP port nobody listens on now, for programs that cannot be told to pick one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A program that runs until its context ends, its output in a log file."""

    def __init__(self, argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
        self._argv = list(argv)
        self._log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        if self._process is None:
            raise ProgramError(f"{self._argv[0]} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, in a process group of its own."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(self._env),
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to end, and end it and its process group if it does not. Does nothing if it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it and its process group at once, as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def wait_until(self, ready: Callable[[], T | None], *, timeout: float = 30) -> T:
        """Return the first answer of ready that is not None. Raises ProgramError if the program ends before that."""

        def alive_and_ready() -> T | None:
            if not self.is_running:
                raise ProgramError(f"{' '.join(self._argv)}: ended before it was ready")
            return ready()

        try:
            return wait_until(alive_and_ready, " ".join(self._argv), timeout=timeout)
        except ProgramError as error:
            raise ProgramError(f"{error}\n{self.tail()}") from error

    def tail(self) -> str:
        """Return the end of its log."""
        return self._log.read_text(errors="replace")[-_LOG_TAIL:] if self._log.exists() else ""


class Enclosed(Program):
    """A program in an enclosure, which ends with all that it started. Needs root."""

    def __init__(self, argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
        super().__init__(enclosed(argv), log, env=env)

    def stop(self) -> None:
        """End it and everything in its enclosure at once; what it kept on disk is thrown away in any case."""
        self.kill()


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **(extra or {})}

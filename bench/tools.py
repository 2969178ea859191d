"""The plain tools that p2player is compared with."""

import os
import re
import socket
import time
from pathlib import Path
from typing import Final, Self

from netsim.emulate.links import Host
from netsim.emulate.needs import find
from netsim.emulate.processes import Program, ProgramError, free_port, run

_WRK_TRANSFER: Final = re.compile(r"^Transfer/sec:\s+([0-9.]+)([KMGT]?)B$", re.MULTILINE)
_WRK_MIB: Final = {"": 2**-20, "K": 2**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20}

_NGINX_CONFIG: Final = """\
daemon off;
{user}
worker_processes auto;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{ listen {address}; root {root}; }}
}}
"""


class Nginx:
    """An nginx that serves the files of a directory, while its context lasts."""

    def __init__(self, root: Path, directory: Path) -> None:
        """Serve root; what nginx itself needs goes into a new directory."""
        self.address = f"127.0.0.1:{free_port()}"
        directory.mkdir()
        config = directory / "nginx.conf"
        # Its workers would be another user, who may not look into a temporary directory of root's.
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(_NGINX_CONFIG.format(user=user, directory=directory, address=self.address, root=root))
        command = [find("nginx") or "nginx", "-p", str(directory), "-c", str(config), "-e", "stderr"]
        self._program = Program(command, directory / "log")

    def __enter__(self) -> Self:
        self._program.start()
        try:
            self._program.wait_until(self._listens)
        except BaseException:
            self._program.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()

    def _listens(self) -> bool | None:
        host, _, port = self.address.partition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return None
        return True


def curl(url: str, target: Path, *, host: Host | None = None) -> float:
    """Return the seconds that `curl -o` took to fetch url into target, on an emulated host if one is given."""
    command = ["curl", "--silent", "--show-error", "--fail", "--output", str(target), url]
    began = time.perf_counter()
    run(command if host is None else host.command(command))
    return time.perf_counter() - began


def sha256sum(path: Path) -> float:
    """Return the seconds that `sha256sum` took to read a file."""
    began = time.perf_counter()
    run(["sha256sum", str(path)])
    return time.perf_counter() - began


def wrk(url: str, clients: int, seconds: int) -> float:
    """Return how many MiB/s `wrk` got of url, all its clients together."""
    threads = min(clients, len(os.sched_getaffinity(0)))
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", url]
    return parse_wrk(run(command))


def parse_wrk(output: str) -> float:
    """Return the MiB/s that wrk says it got. Raises ProgramError if it got anything but what it asked for."""
    match = _WRK_TRANSFER.search(output)
    if match is None or "Non-2xx" in output:
        raise ProgramError(f"wrk was not served:\n{output}")
    return float(match[1]) * _WRK_MIB[match[2]]

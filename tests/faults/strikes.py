"""What can go wrong on one machine, and how it is lifted again: each strikes when its context begins."""

from contextlib import asynccontextmanager

from tests.faults.cluster import RATE
from tests.faults.origin import NAME


@asynccontextmanager
async def killed(cluster, machine):
    machine.kill()
    yield
    await machine.start()


@asynccontextmanager
async def frozen(cluster, machine):
    with machine.frozen():
        yield


@asynccontextmanager
async def slow(cluster, machine):
    machine.host.shape(RATE / 100)
    yield
    machine.host.shape(RATE)


@asynccontextmanager
async def partitioned(cluster, machine):
    with machine.host.unplugged():
        yield


@asynccontextmanager
async def disk_full(cluster, machine):
    machine.fill_disk()
    yield
    machine.free_disk()


@asynccontextmanager
async def disk_failed(cluster, machine):
    machine.fail_disk()
    yield
    machine.kill()
    machine.replace_disk()
    await machine.start()


@asynccontextmanager
async def corrupted(cluster, machine):
    with machine.blob_file(cluster.blob).open("r+b") as file:
        for at in range(0, cluster.blob.size, 64 * 1024):
            file.seek(at)
            file.write(b"rot")
    yield


def clock(seconds):
    """Let it be so many seconds ahead."""

    @asynccontextmanager
    async def wrong(cluster, machine):
        machine.set_clock(seconds)
        yield
        machine.set_clock(0)

    return wrong


@asynccontextmanager
async def dns_gone(cluster, machine):
    machine.know_names("")
    cluster.origin.change()
    yield
    machine.know_names(f"{cluster.origin.address} {NAME}")


@asynccontextmanager
async def out_of_descriptors(cluster, machine):
    with machine.without_descriptors():
        yield


def upstream(what):
    """Let the registry do so to one machine."""

    @asynccontextmanager
    async def faulty(cluster, machine):
        cluster.origin.change(faults={machine.host.address: what})
        yield
        cluster.origin.change()

    return faulty

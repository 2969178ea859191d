"""Reading files of the store without holding up the event loop."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from p2player.errors import BlobNotFound, DigestMismatch
from p2player.oci.digest import Digest
from p2player.store.durable import disk_errors

_CHUNK = 1024 * 1024


async def read_file(path: Path, digest: Digest, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes [start, stop) of a file of the store. Raises BlobNotFound if it was removed meanwhile, StorageError."""
    if start >= stop:
        return
    try:
        with disk_errors(path):
            file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError as error:
        raise BlobNotFound(f"{digest} has just been removed here") from error
    with file:
        file.seek(start)
        while start < stop:
            with disk_errors(path):
                chunk = await asyncio.to_thread(file.read, min(_CHUNK, stop - start))
            if not chunk:
                raise DigestMismatch(f"{path} is shorter than its blob", hint="check the store with: p2player verify")
            yield chunk
            start += len(chunk)

"""A blob that a liar has made up, as it lets others follow it."""

import asyncio

from p2player.peer.segments import Segment, end_of, new_run
from p2player.peer.standing import Place


class MadeUp:
    """Signs other bytes as those of a digest, and sends them at a rate (bytes a second), if there is one."""

    def __init__(self, identity, digest, data, rate=None):
        self.size = self.offset = len(data)
        self.place = Place(0, identity.node_id)
        self._identity = identity
        self._digest = digest
        self._data = data
        self._rate = rate
        self._run = new_run()

    def front(self, offset):
        return ""

    async def read(self, start):
        while start < self.size:
            data = self._data[start : end_of(start, self.size)]
            if self._rate:
                await asyncio.sleep(len(data) / self._rate)
            yield Segment.sign(self._identity, self._run, self._digest, self.size, start, data), data
            start += len(data)

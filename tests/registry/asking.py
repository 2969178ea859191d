"""What the endpoint is asked for in tests, and who notes it."""

from p2player.oci.reference import Repository
from p2player.pull.memory import MemoryLibrary

HUB = Repository.parse("library/app")
DATA = bytes(range(256)) * 4096  # 1 MiB


async def code_of(response):
    assert response.headers["Content-Type"] == "application/json"
    return (await response.json())["errors"][0]["code"]


class Watching(MemoryLibrary):
    """A library that remembers who asked, and has nothing for some of them."""

    def __init__(self):
        super().__init__()
        self.askers = []
        self.refusal = None

    def admit(self, asker):
        self.askers.append(asker)
        if self.refusal:
            raise self.refusal

    async def manifest(self, repository, target, asker="anonymous"):
        self.admit(asker)
        return await super().manifest(repository, target, asker)

    async def blob(self, digest, repository=None, asker="anonymous"):
        self.admit(asker)
        return await super().blob(digest, repository, asker)

    async def tags(self, repository, asker="anonymous"):
        self.admit(asker)
        return await super().tags(repository, asker)

    async def referrers(self, digest, repository=None, asker="anonymous"):
        self.admit(asker)
        return await super().referrers(digest, repository, asker)

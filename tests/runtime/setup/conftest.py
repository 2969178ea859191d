from collections.abc import Mapping

import pytest

from p2player.runtime.setup.plan import plan_removal, plan_setup
from p2player.runtime.setup.target import Target
from p2player.runtime.setup.tree import MemoryTree


class Machine:
    """Files in memory on which plans are carried out."""

    endpoint = "127.0.0.1:5050"
    url = f"http://{endpoint}"

    def __init__(self, files: Mapping[str, str | bytes] = {}):
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}

    def setup(self, runtime, *, endpoint=endpoint, **facts):
        return self._carry_out(plan_setup(runtime, MemoryTree(self.files), Target(endpoint, **facts)))

    def remove(self, runtime):
        return self._carry_out(plan_removal(runtime, MemoryTree(self.files)))

    def text(self, path):
        return self.files[path].decode()

    def edit(self, path, change):
        self.files[path] = change(self.text(path)).encode()

    def _carry_out(self, plan):
        for change in (*plan.changes, *plan.books):
            assert self.files.pop(change.path, None) == change.before
            if change.after is not None:
                self.files[change.path] = change.after
        return plan


@pytest.fixture(scope="session")
def machine():
    return Machine

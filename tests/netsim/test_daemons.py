import json

import pytest

from netsim.emulate.daemons import Status
from netsim.emulate.processes import ProgramError

ANSWER = {
    "node_id": "ab" * 20,
    "registry": "127.0.0.1:5050",
    "cluster": "127.0.0.1:7400",
    "swarm": "127.0.0.1:7401",
    "peers": 2,
    "blobs": 4,
    "bytes": {"local": 1, "peer": 2, "upstream": 3},
}


def test_status_is_read_from_json_whatever_else_it_says():
    status = Status.parse(json.dumps(ANSWER | {"version": "9"}))
    assert (status.cluster, status.peers, status.local, status.peer, status.upstream) == ("127.0.0.1:7400", 2, 1, 2, 3)


@pytest.mark.parametrize("missing", [*ANSWER, "json"])
def test_status_that_lacks_anything_is_shown_as_it_is(missing):
    output = "" if missing == "json" else json.dumps({key: value for key, value in ANSWER.items() if key != missing})
    with pytest.raises(ProgramError, match="not what status --json is to print"):
        Status.parse(output)

import pytest

from p2player.dht.belief import everybody
from p2player.dht.findings import Names
from p2player.dht.storage import Refused, Storage

SCOPE = "docker.io/library/nginx"


def test_who_is_not_told_otherwise_believes_everybody(named):
    assert everybody(named())


def test_a_name_that_is_not_believed_is_kept_for_nobody_and_displaces_nothing(named, epoch):
    told, lie = named(node=1, issued=epoch), named(node=2, issued=epoch + 1)
    storage = Storage(believes=lambda record: record.node_id == told.node_id)
    storage.put(told, epoch)
    for record in (lie, named(node=2, name="invented")):
        with pytest.raises(Refused, match="record_not_believed"):
            storage.put(record, epoch)
    assert list(storage) == [told.pack()]
    assert storage.put(told, epoch) is None


def test_an_answer_with_a_newer_lie_in_it_still_gives_what_is_believed(named, epoch):
    told, lie = named(node=1, issued=epoch), named(node=2, issued=epoch + 1)
    names = Names(SCOPE, epoch, lambda record: record.node_id == told.node_id)
    names.take([lie.pack(), told.pack(), lie.pack()])
    assert names.newest("latest") == told
    assert names.all() == [told]

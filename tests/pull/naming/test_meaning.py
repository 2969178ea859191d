from dataclasses import replace

import pytest

from p2player.oci.reference import Reference
from p2player.pull.naming.meaning import Meaning, is_upstream, newest, newest_seeded

APP = Reference.parse("app:1")


@pytest.fixture
async def rows(cluster, make_image):
    """Return a seeded row and a newer one that a registry gave."""
    node = cluster.add()
    descriptor = make_image().document.descriptor
    seeded, given = (node.holdings.name_row(APP, descriptor, upstream=upstream) for upstream in (False, True))
    return seeded, replace(given, issued=seeded.issued + 1)


def test_row_tells_whether_a_registry_gave_it(rows):
    seeded, given = rows
    assert (is_upstream(seeded), is_upstream(given)) == (False, True)


def test_row_without_a_valid_record_counts_as_seeded(rows):
    assert not is_upstream(replace(rows[1], record=b"of another version"))


def test_newest_row_is_the_one_signed_last(rows):
    seeded, given = rows
    assert newest(rows) == newest(reversed(rows)) == given
    assert newest_seeded(rows) == seeded
    assert newest([]) is None
    assert newest_seeded([given]) is None


def test_only_what_a_registry_gave_is_confirmed_by_one(rows):
    seeded, given = rows
    assert Meaning.of(seeded).confirmed is None
    assert Meaning.of(given).confirmed == given.issued / 1000

import multiprocessing

import pytest

from netsim.emulate.cache import cache_directory, kept


def make(work):
    (work / "tree").mkdir()
    (work / "tree/file").write_text("made")
    return work / "tree"


def test_what_was_made_is_returned_again_without_making_it(tmp_path):
    made = kept("thing", make, tmp_path)
    assert (made / "file").read_text() == "made"
    assert kept("thing", pytest.fail, tmp_path) == made


def test_what_could_not_be_made_leaves_nothing_behind(tmp_path):
    def broken(work):
        (work / "half").touch()
        raise OSError

    with pytest.raises(OSError):
        kept("thing", broken, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thing.lock"]
    assert kept("thing", make, tmp_path).is_dir()


def make_and_count(work):
    with (work.parent / "count").open("a") as count:
        count.write("x")
    return make(work)


def test_several_processes_that_ask_at_once_have_it_made_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = pool.starmap(kept, [("thing", make_and_count, tmp_path)] * 3)
    assert set(made) == {tmp_path / "thing"}
    assert (tmp_path / "count").read_text() == "x"


def test_the_cache_is_where_the_user_wants_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory().parent == tmp_path

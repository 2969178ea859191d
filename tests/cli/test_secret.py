import pytest

from p2player.peer.secretfile import read_secrets


@pytest.fixture
def file(run, tmp_path):
    assert run("secret", "new", tmp_path / "secret").code == 0
    return tmp_path / "secret"


def test_a_new_secret_is_written_and_the_next_step_told(run, tmp_path):
    told = run("secret", "new", tmp_path / "secret")
    assert told.code == 0
    assert f"--secret-file {tmp_path / 'secret'}" in told.out
    ((dated,), mode) = read_secrets(tmp_path / "secret")
    assert mode == 0o600
    assert dated.secret.raw.decode() not in told.out + told.err


def test_an_existing_file_exits_2(run, file):
    before = file.read_bytes()
    assert run("secret", "new", file).code == 2
    assert file.read_bytes() == before


def test_a_rotation_says_when_it_begins_and_what_to_do_before(run, file):
    told = run("secret", "rotate", file)
    assert told.code == 0
    assert f"Copy {file} to every node" in told.out
    old, new = read_secrets(file)[0]
    assert new.begins > old.begins == 0
    assert all(dated.secret.raw.decode() not in told.out for dated in (old, new))


def test_both_speak_to_programs(run, tmp_path):
    file = tmp_path / "secret"
    assert run("secret", "new", file, "--json").objects == [{"file": str(file)}]
    (entered,) = run("secret", "rotate", file, "--in", "2d", "--json").objects
    assert entered["file"] == str(file)
    assert entered["begins"].endswith("Z")
    assert entered["begins"] < entered["previous_until"]
    (refused,) = run("secret", "rotate", file, "--json").objects
    assert (refused["error"], refused["exit_code"]) == ("BadInput", 2)
    assert entered["begins"] in refused["message"]


@pytest.mark.parametrize("span", ["", "1", "h", "-1h", "1.5h", "1w", "1 h", "9999999d"])
def test_what_is_no_span_of_time_exits_2_and_changes_nothing(run, file, span):
    before = file.read_bytes()
    assert run("secret", "rotate", file, f"--in={span}").code == 2
    assert file.read_bytes() == before

import pytest

from netsim.simulate.silence import GIVEN_UP, Silence
from p2player.upstream.transport import CONNECT_TIMEOUT, SILENCE


def test_a_stream_is_waited_for_and_one_that_has_not_begun_only_while_a_connection_is_tried():
    begun, new = Silence(0.25), Silence(0.25)

    assert not begun.is_too_long(5.0, has_begun=True)
    assert not new.is_too_long(5.0, has_begun=False)
    assert not begun.is_too_long(5.0 + SILENCE, has_begun=True)
    assert begun.is_too_long(5.0 + GIVEN_UP, has_begun=True)
    assert new.is_too_long(5.0 + CONNECT_TIMEOUT, has_begun=False)


@pytest.mark.parametrize(
    ("seconds", "until"), [(0.1, 0.25), (0.7, 0.75), (1.0, 1.75), (6.0, 7.75), (8.0, SILENCE), (12.0, 12.0)]
)
def test_bytes_come_again_with_the_next_try_of_tcp_or_when_they_are_asked_for_again(seconds, until):
    silence = Silence(0.25)
    silence.is_too_long(5.0, has_begun=True)

    assert silence.ended(5.0 + seconds) == pytest.approx(5.0 + until)
    assert silence.ended(6.0 + seconds) is None


def test_a_registry_that_was_never_silent_goes_on():
    assert Silence(0.25).ended(5.0) is None

from p2player.pull.chain.flow import Flow
from p2player.pull.chain.patience import ON_THE_WAY, STALLED, SUSPECT


def test_before_the_first_byte_a_source_is_given_longer():
    flow = Flow(0.0)
    assert not flow.is_suspect(SUSPECT)
    assert flow.is_suspect(STALLED)
    flow.moved(1000, 10.0)
    assert flow.is_suspect(10.0 + SUSPECT)
    assert not flow.is_stalled(10.0 + SUSPECT)
    assert flow.is_stalled(10.0 + STALLED)


def test_another_source_is_waited_for_anew_and_brings_no_byte_by_that():
    flow = Flow(0.0)
    flow.moved(1000, 1.0)
    assert flow.has_come
    flow.changed(5.0)
    assert not flow.has_come
    assert (flow.quiet(6.0), flow.followed(6.0), flow.starved(6.0)) == (1.0, 1.0, 5.0)


def test_what_a_source_has_said_is_on_the_way_for_a_moment_and_owed_until_it_is_here():
    flow = Flow(0.0)
    flow.promised(2000, 1.0)
    flow.promised(3000, 1.0 + ON_THE_WAY)
    assert flow.is_on_the_way(0.9 + ON_THE_WAY)
    assert not flow.is_on_the_way(1.0 + ON_THE_WAY), "more of it does not make the first bytes late anew"
    assert flow.is_owed
    flow.moved(2000, 2.0)
    assert not flow.is_owed
    flow.promised(3000, 3.0)
    assert flow.is_on_the_way(3.0)


def test_a_new_source_has_promised_nothing():
    flow = Flow(0.0)
    flow.promised(2000, 1.0)
    flow.changed(1.0)
    assert not flow.is_owed


def test_the_rate_is_over_the_whole_time():
    flow = Flow(10.0)
    flow.moved(1000, 10.5)
    flow.changed(11.0)
    assert flow.rate(10.5) == 1000.0, "in the first second it is not made out"
    assert flow.rate(20.0) == 100.0

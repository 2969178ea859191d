import platform

from netsim.machine import describe_machine


def test_the_machine_is_one_line_that_names_what_matters():
    machine = describe_machine()
    assert "\n" not in machine
    assert platform.python_version() in machine
    assert "cores of" in machine

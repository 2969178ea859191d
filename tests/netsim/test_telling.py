import re

import pytest

from netsim.telling import teller


@pytest.mark.parametrize(("digits", "line"), [(0, r" {5}\d s  a\n"), (1, r" {3}\d\.\d s  a\n")])
def test_a_line_is_told_with_the_seconds_it_came_after(capsys, digits, line):
    teller(digits=digits)("a")
    said, told = capsys.readouterr()
    assert re.fullmatch(line, told)
    assert not said

import pytest

from bench.tools import parse_wrk
from netsim.emulate.needs import missing
from netsim.emulate.processes import ProgramError

ANSWER = """\
Running 3s test @ http://127.0.0.1:1/
  2 threads and 32 connections
  4128 requests in 3.01s, 4.03GB read
{extra}Requests/sec:   1371.43
Transfer/sec:      {transfer}
"""


@pytest.mark.parametrize(
    ("transfer", "rate"), [("1.50GB", 1536), ("512.00MB", 512), ("512.00KB", 0.5), ("1048576.00B", 1)]
)
def test_the_rate_is_read_in_whatever_unit_wrk_chooses(transfer, rate):
    assert parse_wrk(ANSWER.format(transfer=transfer, extra="")) == rate


def test_errors_are_not_taken_for_a_good_rate():
    with pytest.raises(ProgramError, match="wrk was not served"):
        parse_wrk(ANSWER.format(transfer="1.00GB", extra="  Non-2xx or 3xx responses: 4128\n"))


def test_output_without_a_rate_is_shown():
    with pytest.raises(ProgramError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1")


def test_missing_tools_are_named():
    assert missing("sh") == ""
    assert missing("sh", "no-such-tool", "nor-this") == "not installed: no-such-tool, nor-this"

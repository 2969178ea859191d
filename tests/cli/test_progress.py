import io

from rich.console import Console

from p2player.cli.output import Output
from p2player.cli.progress import Bars, Lines, open_board


def test_a_pipe_gets_a_line_when_a_state_changes(capsys):
    with open_board(Output()) as board:
        assert isinstance(board, Lines)
        for done in (0, 500, 1000):
            board.show("layer", "fetching", done, 1000)
        board.show("layer", "done", 1000, 1000)
        board.show("other", "waiting", 0, None)
    assert capsys.readouterr().out.splitlines() == ["layer: fetching 1.0 kB", "layer: done 1.0 kB", "other: waiting"]


def test_a_program_gets_no_lines(capsys):
    output = Output()
    output.json = True
    with open_board(output) as board:
        board.show("layer", "fetching", 0, 1000)
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_bar_for_each_blob():
    screen = io.StringIO()
    with Bars(Console(file=screen, force_terminal=True, width=120)) as board:
        board.show("first", "fetching", 500, 1000)
        board.show("second", "waiting", 0, None)
        board.show("first", "done", 1000, 1000)
    final = screen.getvalue()
    assert "first" in final
    assert "second" in final
    assert "1.0/1.0 kB" in final

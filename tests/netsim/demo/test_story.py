import io

from rich.console import Console

from netsim.demo.story import Delivery, Fetched, Story, seconds_text


def told(tell, encoding="utf-8"):
    pipe = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    tell(Story(Console(file=pipe, highlight=False)))
    pipe.flush()
    return pipe.buffer.getvalue().decode(encoding)


def test_a_pipe_gets_plain_text_and_whole_lines():
    digest = "sha256:" + "a" * 64
    text = told(lambda story: story.note(f"[{digest}] " + "word " * 30))
    assert "\x1b" not in text
    assert digest in text
    assert text.count("\n") == 1


def test_steps_are_numbered():
    def two_steps(story):
        story.step("first")
        story.step("second")

    assert told(two_steps) == "\n1. first\n\n2. second\n"


def test_each_blob_is_a_row():
    fetched = Fetched(0.25, [("node 1", 1000), ("node 2", 2000)])
    text = told(lambda story: story.deliveries([Delivery("sha256:0123456789abcdef", "config", 3000, fetched, 1.5)]))
    (row,) = [line.split("  ") for line in text.splitlines() if line.startswith("0123456789ab ")]
    assert [cell.strip() for cell in row if cell] == [
        "0123456789ab",
        "config",
        "3.0 kB",
        "250 ms",
        "node 1 1.0 kB, node 2 2.0 kB",
        "1.50 s",
        "✓",
    ]


def test_where_a_check_mark_cannot_be_written_it_is_a_word():
    row = told(lambda story: story.deliveries([Delivery("sha256:00", "manifest", 1, None, 0.1)]), "ascii")
    assert "with the name" in row
    assert "yes" in row


def test_short_times_are_milliseconds():
    assert (seconds_text(0.0123), seconds_text(12.345)) == ("12 ms", "12.35 s")

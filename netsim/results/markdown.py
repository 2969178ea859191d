"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a table; the first columns, so many as there are texts, to the left, the others to the right."""
    lines = [heads, ["---" if number < texts else "---:" for number in range(len(heads))], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def replace_between(page: str, begin: str, end: str, text: str) -> str:
    """Return the page with what is between two of its lines replaced. Raises ValueError if a line is not there."""
    before, found, rest = page.partition(f"{begin}\n")
    _, found_end, after = rest.partition(f"{end}\n")
    if not found or not found_end:
        raise ValueError(f"no {begin} and {end}")
    return f"{before}{begin}\n{text}{end}\n{after}"

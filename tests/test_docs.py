import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")] + sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_points_to_exists(page):
    text = page.read_text(encoding="utf-8")
    links = [target.partition("#")[0] for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    missing += [path for path in re.findall(r"`(tests/[\w./-]+)`", text) if not (ROOT / path).exists()]
    assert not missing


def test_each_threat_has_a_test_that_shows_what_stops_it():
    tables = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8").split("| shown by |\n")[1:]
    assert len(tables) == 2
    for table in tables:
        _, *rows = table.split("\n\n")[0].splitlines()
        assert all("`tests/" in row for row in rows)

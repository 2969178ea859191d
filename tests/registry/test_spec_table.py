import re
from pathlib import Path

import aiohttp
import pytest

from p2player import errors
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document
from p2player.oci.mediatypes import DOCKER_MANIFEST
from p2player.oci.reference import Repository
from p2player.pull.memory import MemoryLibrary

DOCUMENT = Path(__file__).parents[2] / "docs" / "registry.md"
REPOSITORY = Repository.parse("team/app")
BLOB = b"a layer of many bytes"
SPECIFIED = ["1", "2", "3", "4a", "4b", "5", "6", "7", "8a", "8b", "9", "10", "11", "12a", "12b", "13"]


def table(first_column):
    """The rows of the page's table whose first column is headed so."""
    lines = iter(DOCUMENT.read_text().splitlines())
    head = next(cells(line) for line in lines if line.startswith(f"| {first_column} |"))
    next(lines)
    rows = []
    while (line := next(lines)).startswith("|"):
        rows.append(dict(zip(head, cells(line), strict=True)))
    return rows


def cells(line):
    return [cell.strip() for cell in line[1:-1].split("|")]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


REQUESTS = [row | {"method": method} for row in table("spec") for method in row["method"].split(", ")]
READING = {row["path"] for row in REQUESTS if row["spec"].startswith(("end-2", "end-3", "end-8a", "end-12a"))}
FAILURES = [
    row | {"method": method, "path": path}
    for row in table("when")
    for method in ("GET", "HEAD")
    for path in sorted(READING)
]


class Situation(MemoryLibrary):
    """A library in the state that a row names, and what its request needs besides the path."""

    def __init__(self):
        super().__init__()
        self.failure = None
        self.headers = {}
        self.fill = {"name": "team/app", "tag": "1", "digest": ""}
        self.image = None

    def have(self, image: Document, path: str) -> None:
        """Have what path is about."""
        self.image = image
        self.add_document(image, REPOSITORY, "1", "2", "3")
        self.fill["digest"] = str(self.add_blob(BLOB) if "/blobs/" in path else image.digest)

    def answer(self):
        if self.failure is not None:
            raise self.failure

    async def manifest(self, *arguments):
        self.answer()
        return await super().manifest(*arguments)

    async def blob(self, *arguments):
        self.answer()
        return await super().blob(*arguments)

    async def tags(self, *arguments):
        self.answer()
        return await super().tags(*arguments)

    async def referrers(self, *arguments):
        self.answer()
        return await super().referrers(*arguments)


def as_it_is(_):
    pass


def nobody(situation):
    situation.__init__()
    situation.fill["digest"] = str(Digest.of(b"nobody has this"))


def with_headers(**headers):
    return lambda situation: situation.headers.update({name.replace("_", "-"): text for name, text in headers.items()})


def with_path(part, text):
    return lambda situation: situation.fill.update({part: text})


def failing(failure):
    return lambda situation: setattr(situation, "failure", failure)


def stale(situation):
    situation.stale_for = 4210


def known(situation):
    situation.headers["If-None-Match"] = f'"{situation.fill["digest"]}"'


def cut_off(situation):
    situation.fill["digest"] = str(situation.add_blob(BLOB, good=5, fault=errors.TransferStalled("all have left")))


SITUATIONS = {
    "always": as_it_is,
    "somebody has it": as_it_is,
    "there are more tags": as_it_is,
    "nobody has it": nobody,
    "one range is asked for": with_headers(Range="bytes=1-3"),
    "several ranges are asked for": with_headers(Range="bytes=1-3,5-6"),
    "a range of other bytes is asked for (`If-Range`)": with_headers(Range="bytes=1-3", If_Range='"other"'),
    "the range begins behind the end": with_headers(Range="bytes=1000-"),
    "the client has it (`If-None-Match`)": known,
    "the rest cannot be had after all": cut_off,
    "the registry cannot confirm the tag": stale,
    "its type is not in `Accept`": with_headers(Accept=DOCKER_MANIFEST),
    "the tag is malformed": with_path("tag", ".1"),
    "the digest is malformed": with_path("digest", "sha256:1"),
    "`<name>` is no repository name, or `ns` no registry name": with_path("name", "Team/App"),
    "the `Authorization` header is malformed": with_headers(Authorization="Basic: x"),
    "the registry asks for a login, or for another one": failing(errors.LoginRequired("x", challenge="Basic")),
    "the registry does not let this client have it": failing(errors.AccessDenied("x")),
    "the registry wants to be asked later": failing(errors.RateLimited("x")),
    "a fault of p2player": failing(ZeroDivisionError("x")),
    "all who have it sent something else": failing(errors.DigestMismatch("x")),
    "nobody who has it can be asked now": failing(errors.UpstreamUnreachable("x")),
    "the disk of this node is full": failing(errors.DiskFull("x")),
}


def named(row):
    return f"{row['method']} {row['path'].strip('`')} when {row['when']}"


@pytest.mark.parametrize("library", [Situation], indirect=True)
@pytest.mark.parametrize("row", REQUESTS + FAILURES, ids=named)
async def test_the_endpoint_answers_as_its_page_says(client, library, image, row):
    (path,) = quoted(row["path"])
    library.have(image, path)
    SITUATIONS[row["when"]](library)
    for part, text in library.fill.items():
        path = path.replace(f"<{part}>", text)
    status, _, how = row["status"].partition(", ")
    async with client.request(row["method"], path, headers=library.headers) as response:
        assert response.status == int(status)
        assert [name for name in quoted(row["the answer has"]) if name not in response.headers] == []
        if how:
            assert how == "cut off"
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        elif row["code"] and row["method"] != "HEAD":
            (error,) = (await response.json())["errors"]
            assert error["code"] == row["code"]
        else:
            body = await response.read()
            assert not body or row["method"] != "HEAD"


def test_the_page_has_every_endpoint_of_the_specification():
    assert {row["spec"] for row in REQUESTS} - {"none"} == {f"end-{number}" for number in SPECIFIED}


def test_the_page_has_every_status_that_a_failure_can_have():
    def all_of(error):
        return {error}.union(*(all_of(each) for each in error.__subclasses__()))

    failures = {(str(error.http_status), error.oci_code) for error in all_of(errors.P2PlayerError)}
    never_here = {("400", "MANIFEST_INVALID"), ("400", "UNSUPPORTED")}  # what is given to the command line
    assert failures - never_here <= {(row["status"], row["code"]) for row in REQUESTS + FAILURES}


@pytest.mark.parametrize("when", SITUATIONS)
def test_each_situation_is_one_of_the_page(when):
    assert when in {row["when"] for row in REQUESTS + FAILURES}

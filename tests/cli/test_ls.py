NAME = "docker.io/library/app:1"


def test_an_empty_node_lists_only_the_head(ask):
    assert ask("ls").out.split() == ["NAME", "DIGEST", "SIZE", "COMPLETE"]
    assert ask("ls", "--json").objects == []


def test_images_are_listed_by_name(ask, layout):
    ask("seed", layout.spec)
    assert ask("ls").out.splitlines()[1].split()[:2] == [NAME, layout.root.digest.short]
    (image,) = ask("ls", "--json").objects
    assert (image["name"], image["digest"], image["complete"]) == (NAME, str(layout.root.digest), True)


def test_blobs_are_listed_on_request(ask, layout):
    ask("seed", layout.spec)
    listed = {blob["digest"] for blob in ask("ls", "--blobs", "--json").objects}
    assert listed == {str(layout.root.digest), *(str(child.digest) for child in layout.root.children)}
    assert layout.root.media_type in ask("ls", "--blobs").out

import pytest

from netsim.results.markdown import replace_between, table


def test_texts_are_to_the_left_and_figures_to_the_right():
    assert table(("what", "how"), [("a", "1")]) == "| what | how |\n| --- | ---: |\n| a | 1 |\n"


def test_only_what_is_between_is_replaced_and_twice_is_once():
    page = "before\n<a>\nold\n<b>\nafter\n"
    new = replace_between(page, "<a>", "<b>", "new\n")
    assert new == "before\n<a>\nnew\n<b>\nafter\n"
    assert replace_between(new, "<a>", "<b>", "new\n") == new


@pytest.mark.parametrize("page", ["", "<a>\n", "<b>\n<a>\n", "<b>\n"])
def test_a_page_without_the_place_is_refused(page):
    with pytest.raises(ValueError, match="no <a> and <b>"):
        replace_between(page, "<a>", "<b>", "new\n")

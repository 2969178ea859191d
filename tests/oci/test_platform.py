import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import BadInput
from p2player.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("Linux/x86_64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/armv7l", Platform("linux", "arm", "v7")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("windows/amd64", Platform("windows", "amd64")),
    ],
)
def test_kernel_names_become_go_names(text, platform):
    assert Platform.parse(text) == platform


@given(st.text(max_size=20) | st.text("linuxamd64/v.-", max_size=20))
def test_any_text_is_a_platform_that_reads_back_or_is_refused(text):
    try:
        platform = Platform.parse(text)
    except BadInput:
        return
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b"])
def test_what_is_no_platform_is_refused(text):
    with pytest.raises(BadInput, match="not a platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("offered", "wanted", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("windows/amd64", "linux/amd64", False),
        ("linux/amd64", "linux/amd64/v3", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm", "linux/arm/v6", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8.2", True),
        ("linux/arm64/v9", "linux/arm64/v8.2", False),
        ("linux/riscv64", "linux/riscv64/rva22u64", True),
        ("linux/riscv64/rva22u64", "linux/riscv64", False),
        ("linux/amd64/odd", "linux/amd64/odd", True),
        ("linux/amd64/odd", "linux/amd64", False),
        ("unknown/unknown", "linux/amd64", False),
    ],
)
def test_an_image_runs_on_its_own_processor_and_newer_ones(offered, wanted, runs):
    assert Platform.parse(offered).satisfies(Platform.parse(wanted)) is runs


def test_this_machine_satisfies_itself():
    assert Platform.host().satisfies(Platform.host())

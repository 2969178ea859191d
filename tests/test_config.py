import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.config import Config, HostPort
from p2player.errors import InvalidConfig

addresses = st.builds(
    HostPort,
    st.one_of(
        st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]{1,8}){0,2}", fullmatch=True),
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(v=6).map(str),
    ),
    st.integers(0, 65535),
)


def load(flags=None, *, file=None, environ=None):
    return Config.load(flags or {}, file=file, environ=environ or {})


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "p2player.toml"
        path.write_text(text)
        return path

    return write


@given(addresses)
def test_an_address_parses_back_from_how_it_is_written(address):
    assert HostPort.parse(str(address)) == address


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_an_invalid_config(text):
    try:
        address = HostPort.parse(text)
    except InvalidConfig:
        return
    assert 0 <= address.port <= 65535
    assert address.host


@pytest.mark.parametrize(
    "text",
    ["", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:٣", "::1:80", "[host]:80", "[::1]", "a b:1"],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InvalidConfig):
        HostPort.parse(text)


def test_a_bare_ipv6_address_is_told_to_stand_in_brackets():
    with pytest.raises(InvalidConfig) as refused:
        HostPort.parse("fe80::1:7400")
    assert "[::1]:7400" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.8.9.1:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("a:1", False),
    ],
)
def test_an_address_knows_whether_only_this_machine_reaches_it(text, loopback):
    assert HostPort.parse(text).is_loopback is loopback


def test_without_any_setting_the_node_keeps_to_this_machine():
    config = load()
    assert config.registry.is_loopback
    assert str(config.cluster) == "127.0.0.1:7400"


def test_with_a_secret_the_cluster_port_is_open_by_default(tmp_path):
    assert str(load({"secret_file": str(tmp_path / "s")}).cluster) == "0.0.0.0:7400"


def test_a_flag_overrules_the_environment_which_overrules_the_file(toml):
    file = toml('registry = "127.0.0.1:1"\ncluster = "127.0.0.1:1"\nlog_level = "debug"\n')
    environ = {"P2PLAYER_REGISTRY": "127.0.0.1:2", "P2PLAYER_CLUSTER": "127.0.0.1:2"}
    config = load({"registry": "127.0.0.1:3"}, file=file, environ=environ)
    assert (config.registry.port, config.cluster.port, config.log_level) == (3, 2, "debug")


def test_a_flag_that_was_not_given_overrules_nothing():
    assert load({"registry": None}, environ={"P2PLAYER_REGISTRY": "127.0.0.1:2"}).registry.port == 2


def test_the_environment_may_name_the_file(toml):
    file = toml('join = ["10.0.0.1:7400", "[::1]:7400"]')
    config = load({"cluster": "0.0.0.0:0", "insecure": True}, environ={"P2PLAYER_CONFIG": str(file)})
    assert [str(address) for address in config.join] == ["10.0.0.1:7400", "[::1]:7400"]


def test_the_environment_spells_lists_and_switches():
    config = load(environ={"P2PLAYER_JOIN": "a:1,b:2", "P2PLAYER_INSECURE": "1", "P2PLAYER_CLUSTER": "0.0.0.0:0"})
    assert config.join == (HostPort("a", 1), HostPort("b", 2))
    assert config.insecure


def test_paths_in_a_file_are_relative_to_it(toml, tmp_path):
    config = load(file=toml('data_dir = "data"\nsecret_file = "/etc/secret"'))
    assert config.data_dir == tmp_path / "data"
    assert str(config.secret_file) == "/etc/secret"


@pytest.mark.parametrize("path", ["~nobody-is-called-so/x", "a\\u0000b"])
@pytest.mark.parametrize("setting", ['data_dir = "{}"', '[upstream."a.example"]\nca = "{}"'])
def test_a_path_that_leads_nowhere_is_refused(toml, setting, path):
    with pytest.raises(InvalidConfig, match=r"p2player.toml: .*(home directory|not a path)"):
        load(file=toml(setting.format(path)))


def test_the_data_directory_follows_the_user(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert str(load().data_dir) == "/var/lib/p2player"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert str(load(environ={"XDG_DATA_HOME": "/home/a/data"}).data_dir) == "/home/a/data/p2player"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("registry = 5050", "toml: registry: text is needed"),
        ("join = 'a:1'", "toml: join: a list"),
        ("join = ['a:0']", "toml: join: a:0 has no port"),
        ("insecure = 'yes'", "toml: insecure: true or false"),
        ("log_level = 'loud'", "toml: log_level: not a log level"),
        ("data_dir = ''", "toml: data_dir: text"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_wrong_value_is_reported_with_its_place_in_the_file(toml, text, message):
    with pytest.raises(InvalidConfig, match=re.escape(message)):
        load(file=toml(text))


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(toml):
    with pytest.raises(InvalidConfig) as refused:
        load(file=toml('registy = "127.0.0.1:1"'))
    assert refused.value.hint == "did you mean registry?"


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InvalidConfig, match="cannot read"):
        load(file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("flags", "environ", "origin"),
    [({"cluster": "x"}, {}, "--cluster"), ({}, {"P2PLAYER_LOG_LEVEL": "x"}, "P2PLAYER_LOG_LEVEL")],
)
def test_a_wrong_value_is_reported_with_its_flag_or_variable(flags, environ, origin):
    with pytest.raises(InvalidConfig, match=rf"^{origin}: "):
        load(flags, environ=environ)


def test_an_open_cluster_without_a_secret_is_refused():
    with pytest.raises(InvalidConfig, match=r"--cluster: .* without a secret"):
        load({"cluster": "0.0.0.0:7400"})


def test_an_open_cluster_with_a_secret_or_on_request_is_fine(tmp_path):
    assert load({"cluster": "0.0.0.0:7400", "secret_file": str(tmp_path / "s")})
    assert load({"cluster": "0.0.0.0:7400", "insecure": True})


def test_an_open_registry_is_refused_even_with_a_secret(tmp_path):
    with pytest.raises(InvalidConfig, match=r"P2PLAYER_REGISTRY: .* asks nobody"):
        load({"secret_file": str(tmp_path / "s")}, environ={"P2PLAYER_REGISTRY": "0.0.0.0:5050"})
    assert load({"registry": "0.0.0.0:5050", "insecure": True})


OPEN = {"registry": "0.0.0.0:5050"}
TLS = {"registry_cert": "cert.pem", "registry_key": "key.pem"}


@pytest.mark.parametrize(
    "settings",
    [
        {"registry_token_file": "tokens"},
        {"registry_client_ca": "ca.pem"},
        {"registry_token_file": "tokens", "registry_client_ca": "ca.pem"},
    ],
)
def test_an_open_registry_that_asks_who_is_there_is_fine_and_asks_configured_registries_only(settings):
    config = load({**OPEN, **TLS, **settings})
    assert config.configured_only
    assert config.registry_cert == Path.cwd() / "cert.pem"


def test_an_open_registry_to_which_tokens_would_go_unsealed_is_refused():
    with pytest.raises(InvalidConfig, match=r"^--registry: .*for all to read") as refused:
        load({**OPEN, "registry_token_file": "tokens"})
    assert "--registry-cert" in refused.value.hint
    assert load({"registry": "127.0.0.1:5050", "registry_token_file": "tokens"})
    assert load({**OPEN, "registry_token_file": "tokens", "insecure": True})


def test_a_certificate_alone_lets_everybody_in_and_is_refused():
    with pytest.raises(InvalidConfig, match="asks nobody") as refused:
        load({**OPEN, **TLS})
    assert "--registry-token-file" in refused.value.hint
    assert load({"registry": "127.0.0.1:5050", **TLS})


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"registry_cert": "cert.pem"}, "--registry-key"),
        ({"registry_key": "key.pem"}, "--registry-cert"),
        ({"registry_client_ca": "ca.pem"}, "--registry-cert"),
        ({"tls_ca": "ca.pem", "secret_file": "secret"}, "--tls-cert"),
        ({"tls_ca": "ca.pem", "tls_cert": "node.pem", "secret_file": "secret"}, "--tls-key"),
        ({"tls_key": "node.key", "secret_file": "secret"}, "--tls-ca"),
        ({"tls_ca": "ca.pem", "tls_cert": "node.pem", "tls_key": "node.key"}, "--secret-file"),
    ],
)
def test_half_of_what_tls_needs_is_refused_with_the_other_half(settings, missing):
    with pytest.raises(InvalidConfig, match="needs") as refused:
        load(settings)
    assert missing in refused.value.hint


def test_a_certificate_for_other_nodes_is_all_three_files_relative_to_the_settings(toml):
    config = load(file=toml('secret_file = "s"\ntls_ca = "ca.pem"\ntls_cert = "/etc/node.pem"\ntls_key = "node.key"'))
    assert config.tls.ca.is_absolute()
    assert str(config.tls.certificate) == "/etc/node.pem"
    assert load({}).tls is None


def test_a_node_that_keeps_to_its_machine_joins_others_on_it():
    assert load({"join": ["127.0.0.1:1", "localhost:2", "[::1]:3", "its-own-name:4"]})


def test_upstreams_of_the_file_are_overruled_one_by_one(toml, tmp_path):
    file = toml("""
        [upstream."docker.io"]
        ca = "ca.pem"
        login = "node"
        [upstream."ghcr.io"]
    """)
    environ = {"P2PLAYER_UPSTREAM": "docker.io=https://a,ghcr.io=https://b"}
    config = load({"upstream": ("ghcr.io=https://c", "ghcr.io=https://d")}, file=file, environ=environ)
    hub, ghcr = config.upstreams
    assert (hub.registry, hub.urls, hub.ca, hub.login) == ("docker.io", ("https://a",), tmp_path / "ca.pem", "node")
    assert (ghcr.registry, ghcr.urls) == ("ghcr.io", ("https://c", "https://d"))


def test_without_any_setting_public_registries_are_asked_and_fetches_go_on():
    config = load()
    assert (config.upstreams, config.configured_only, config.background) == ((), False, True)


def test_the_environment_limits_what_is_asked_and_what_goes_on():
    config = load(environ={"P2PLAYER_CONFIGURED_ONLY": "yes", "P2PLAYER_BACKGROUND": "off"})
    assert (config.configured_only, config.background) == (True, False)


def test_a_registry_open_to_others_asks_what_was_configured_only(toml):
    file = toml("configured_only = false")
    assert load({"registry": "0.0.0.0:5050", "insecure": True}, file=file).configured_only
    assert not load({"registry": "127.0.0.1:5050", "insecure": True}, file=file).configured_only


def test_a_wrong_upstream_is_reported_with_its_place(toml):
    with pytest.raises(InvalidConfig, match=r"toml: upstream: ghcr.io: url: not a URL"):
        load(file=toml('[upstream."ghcr.io"]\nurl = "x"'))
    with pytest.raises(InvalidConfig, match=r"^--upstream: no URL"):
        load({"upstream": ("ghcr.io",)})


def test_runtimes_to_adopt_from_are_named_in_every_place(toml):
    assert load().adopt == ()
    assert load({"adopt": ("containerd",)}).adopt == (Path("/var/lib/containerd"),)
    assert load(environ={"P2PLAYER_ADOPT": "containerd=/srv/c"}).adopt == (Path("/srv/c"),)
    assert load(file=toml('adopt = ["containerd"]')).adopt == (Path("/var/lib/containerd"),)
    with pytest.raises(InvalidConfig, match="adopt"):
        load(file=toml('adopt = ["docker"]'))


def test_publishers_are_tables_of_the_file(toml):
    assert load().publishers == ()
    node = "0123456789abcdef0123456789abcdef01234567"
    file = toml(f"""
        [[publishers]]
        key = "{node}"
        names = ["docker.io/library/*", "registry.corp:5000/team/app:prod-*"]
        [[publishers]]
        key = "*"
        names = ["ghcr.io/*"]
    """)
    one, others = load(file=file).publishers
    assert (str(one.signer), len(one.names), others.signer) == (node, 2, None)
    with pytest.raises(InvalidConfig, match=r"toml: publishers: key: not a node id"):
        load(file=toml('[[publishers]]\nkey = "x"\nnames = ["*"]'))
    with pytest.raises(InvalidConfig, match=r"P2PLAYER_PUBLISHERS: tables are needed"):
        load(environ={"P2PLAYER_PUBLISHERS": node})

import pytest

from miniuv.errors import GitError
from miniuv.git.remote import Remote, protocol_of
from miniuv.models.url import Url


def remote(text: str) -> Remote:
    return Remote.of(Url.parse(text))


def test_spellings_of_one_repository_share_a_database() -> None:
    spellings = ["https://Host.example/o/r.git", "https://user:secret@host.example/o/r", "https://host.example/o/r/"]
    assert len({remote(spelling).key for spelling in spellings}) == 1
    assert remote("ssh://git@host.example/o/r").key != remote("https://host.example/o/r").key


def test_a_password_travels_in_variables_and_never_in_the_address() -> None:
    it = remote("https://us%40er:s%2Fecret@host.example/o/r.git")
    assert it.address == "https://host.example/o/r.git"
    assert sorted(it.variables.values()) == ["s/ecret", "us@er"]
    assert list(it.settings) == ["credential.helper", "credential.https://host.example.helper"]
    assert "cret" not in repr(it) + it.shown + it.identity + it.key + str(it.settings)


def test_the_user_of_ssh_stays() -> None:
    assert remote("ssh://alice@host.example/o/r.git").address == "ssh://alice@host.example/o/r.git"
    assert remote("ssh://alice@host.example/o/r.git").settings == {}


@pytest.mark.parametrize(
    ("parent", "written", "address"),
    [
        ("https://h.example/o/r.git", "../lib.git", "https://h.example/o/lib.git"),
        ("https://h.example/o/r.git/", "../../x/lib", "https://h.example/x/lib"),
        ("https://h.example/o/r", "./lib", "https://h.example/o/r/lib"),
        ("ssh://git@h.example:22/o/r", "../lib", "ssh://git@h.example:22/o/lib"),
        ("file:///srv/o/r", "../lib", "file:///srv/o/lib"),
        ("file:///srv/o/r", "/srv/lib", "file:///srv/lib"),
        ("http://h.example/o/r", "http://h.example/lib", "http://h.example/lib"),
        ("https://h.example/o/r", "git@other.example:o/lib.git", "git@other.example:o/lib.git"),
        ("https://h.example/o/r", "ssh://git@other.example/o/lib", "ssh://git@other.example/o/lib"),
    ],
)
def test_a_submodule_address_is_resolved_as_git_does(parent: str, written: str, address: str) -> None:
    assert remote(parent).submodule(written).address == address


def test_a_submodule_relative_to_an_scp_address_stays_on_its_host() -> None:
    parent = remote("https://h.example/o/r").submodule("git@other.example:o/lib.git")
    assert parent.submodule("../sub.git").address == "git@other.example:o/sub.git"
    assert parent.submodule("../../sub.git").address == "git@other.example:sub.git"


@pytest.mark.parametrize(
    ("parent", "written"),
    [
        ("https://h.example/o/r", "ext::sh -c touch% /tmp/x"),
        ("https://h.example/o/r", "fd::17"),
        ("https://h.example/o/r", "-uX"),
        ("https://h.example/o/r", "ssh://-oProxyCommand=x/r"),
        ("https://h.example/o/r", "ssh://git@-oProxyCommand=x/r"),
        ("https://h.example/o/r", "-oProxyCommand=x:r"),
        ("https://h.example/o/r", "git@-oProxyCommand=x:r"),
        ("https://h.example/o/r", "file:///etc"),
        ("https://h.example/o/r", "/etc"),
        ("https://h.example/o/r", "http://h.example/lib"),
        ("https://h.example/o/r", "git://h.example/lib"),
        ("https://h.example/o/r", "https://h.example/lib\r"),
        ("https://h.example/o/r", "../../../other"),
        ("ssh://git@h.example/o/r", "file:///etc"),
        ("https://h.example/o/r", ""),
    ],
)
def test_a_submodule_must_not_lead_to_this_machine_or_to_a_weaker_transport(parent: str, written: str) -> None:
    with pytest.raises(GitError):
        remote(parent).submodule(written)


def test_credentials_go_along_to_submodules_of_the_same_host_only() -> None:
    parent = remote("https://user:secret@h.example/o/r")
    assert parent.submodule("../lib").credentials == "user:secret"
    assert parent.submodule("https://other.example/lib").credentials is None


@pytest.mark.parametrize(
    ("address", "protocol"),
    [
        ("https://h/x", "https"),
        ("git+ssh://h/x", "ssh"),
        ("git@h:x", "ssh"),
        ("/srv/x", "file"),
        ("./x:y", "file"),
        ("ext::sh -c x", None),
        ("codecommit::eu://x", None),
        ("persistent-https://h/x", None),
    ],
)
def test_the_transport_of_an_address_is_told_as_git_would(address: str, protocol: str | None) -> None:
    assert protocol_of(address) == protocol

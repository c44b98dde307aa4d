import pytest

from miniuv.git.failures import FailureKind, classify, explain


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "network"),
        (
            "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.",
            "network",
        ),
        ("error: RPC failed; curl 56 GnuTLS recv error (-54)\nfatal: early EOF", "network"),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 503", "network"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "authentication"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", "authentication"),
        ("remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://h/x/'", "authentication"),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403", "authentication"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "host-key"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate", "certificate"),
        ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", "repository"),
        ("fatal: '/x' does not appear to be a git repository", "repository"),
        ("fatal: remote error: upload-pack: not our ref 1111", "commit"),
        ("error: Server does not allow request for unadvertised object 1111", "unadvertised"),
        ("fatal: couldn't find remote ref HEAD", "head"),
        ("fatal: write error: No space left on device", "disk"),
        ("fatal: detected dubious ownership in repository at '/x'", "ownership"),
        ("fatal: bad object 1111", "other"),
    ],
)
def test_a_failure_is_told_apart_by_what_git_says(stderr: str, kind: FailureKind) -> None:
    assert classify(stderr) == kind


def test_the_message_keeps_what_matters_and_no_secret() -> None:
    stderr = (
        b"remote: Counting objects: 100% (3/3), done.\rReceiving objects: 10%\n"
        b"remote: no entry for you\nfatal: Authentication failed for 'https://user:secret@h/x?private_token=abc'\n"
        b"fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\n"
    )
    error = explain("fetch `https://h/x`", stderr, returncode=128, protocol="https")
    assert error.message == (
        "git could not fetch `https://h/x`: Authentication failed for 'https://****@h/x?private_token=****'"
    )
    assert "credential helper" in str(error.hint)
    assert "secret" not in error.stderr


def test_a_host_of_ssh_gets_the_advice_for_ssh() -> None:
    assert "ssh-add" in str(explain("fetch", b"Permission denied (publickey)", returncode=128, protocol="ssh").hint)


def test_a_foreign_owner_is_answered_with_gits_own_command() -> None:
    stderr = (
        b"fatal: detected dubious ownership in repository at '/srv/x'\nTo add an exception for this directory, call:\n"
        b"\n\tgit config --global --add safe.directory /srv/x\n"
    )
    hint = explain("fetch", stderr, returncode=128).hint
    assert hint == "if you trust that repository, run `git config --global --add safe.directory /srv/x`"


def test_git_that_was_killed_is_not_taken_for_a_broken_cache() -> None:
    error = explain("fetch", b"fatal: bad object", returncode=-9)
    assert error.kind == "killed"
    assert "signal 9" in explain("fetch", b"", returncode=-9).message

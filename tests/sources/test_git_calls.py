"""Of which calls of git it is known what they look at: those that read, and nothing outside of their repository."""

import pytest

from miniuv.backend.trace import GitCall
from miniuv.sources.git_calls import Question, UnknownCallError, question_of


def call(words: str, **environ: str) -> GitCall:
    """A call of git; ``_`` stands for a space within a word."""
    argv = tuple(word.replace("_", " ") for word in words.split(" "))
    return GitCall(executable="/usr/bin/git", argv=("git", *argv), folder="/one", environ=tuple(environ.items()))


@pytest.mark.parametrize(
    "words",
    [
        "--git-dir /one/.git describe --dirty --tags --long --abbrev=40 --match *[0-9]*",
        "--git-dir=.git log --format=%aN_<%aE>",
        "-c log.showSignature=false log -n 1 HEAD --format=%cI",
        "log -n1 --pretty=format:%h",
        "ls-files -z -s -- . :(exclude,attr:export-ignore)",
        "check-attr -z --stdin export-ignore",
        "rev-parse --abbrev-ref HEAD",
        "rev-parse HEAD@{upstream}",
        "status --porcelain --untracked-files=no",
        "symbolic-ref --short -q HEAD",
        "tag --list 1.* --sort=-v:refname",
        "tag",
        "branch --show-current",
        "config --get user.name",
        "config user.name",
        "diff --quiet HEAD -- src/one.py",
        "diff 1.0..HEAD",
        "archive --format=tar HEAD",
        "for-each-ref refs/tags/** --merged --format %(refname)",
    ],
)
def test_what_only_reads_is_known(words: str) -> None:
    question = question_of(call(words))
    assert question.repository
    assert (question.untracked, question.ignored, question.times) == (False, False, False)


@pytest.mark.parametrize(
    ("words", "question"),
    [
        ("--version", Question(place=(), repository=False)),
        ("version", Question(place=(), repository=False)),
        ("status --porcelain", Question(place=(), untracked=True)),
        ("status -s -uno", Question(place=())),
        ("check-ignore .", Question(place=(), untracked=True)),
        ("ls-files -o --exclude-standard", Question(place=(), untracked=True)),
        ("ls-files -o", Question(place=(), untracked=True, ignored=True)),
        ("ls-files --others -i --exclude-standard", Question(place=(), untracked=True, ignored=True)),
        ("diff-index --quiet HEAD", Question(place=(), times=True)),
        ("diff-index --cached --quiet HEAD", Question(place=())),
        ("-C sub --git-dir=x describe", Question(place=("-C", "sub", "--git-dir=x"))),
    ],
)
def test_it_is_known_what_a_call_looks_at(words: str, question: Question) -> None:
    assert question_of(call(words)) == question


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("fetch", "it runs `git fetch`"),
        ("my-alias", "it runs `git my-alias`"),
        ("", "it runs `git`"),
        ("-c core.fsmonitor=x status", "it runs `git -c`"),
        ("--exec-path=/x log", "it runs `git --exec-path=/x`"),
        ("log --since=yesterday", "it runs `git log --since`"),
        ("log -g", "it runs `git log -g`"),
        ("log --show-signature", "it runs `git log --show-signature`"),
        ("diff --no-index a b", "it runs `git diff --no-index`"),
        ("diff --ext-diff", "it runs `git diff --ext-diff`"),
        ("hash-object README.md", "it runs `git hash-object`"),
        ("archive --output=x HEAD", "it runs `git archive --output`"),
        ("archive --remote=x HEAD", "it runs `git archive --remote`"),
        ("config --file=/x --list", "it runs `git config --file`"),
        ("config --unset user.name", "it runs `git config --unset`"),
        ("ls-files -X /x -o", "it runs `git ls-files -X`"),
        ("rev-parse --parseopt", "it runs `git rev-parse --parseopt`"),
        ("update-index --refresh", "it runs `git update-index`"),
        ("tag -a 1.0", "it runs `git tag -a`"),
        ("branch -D one", "it runs `git branch -D`"),
    ],
)
def test_what_may_do_more_than_read_is_refused(words: str, reason: str) -> None:
    with pytest.raises(UnknownCallError) as caught:
        question_of(call(words))
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "words",
    [
        "tag 1.0",
        "branch other",
        "symbolic-ref HEAD refs/heads/other",
        "config user.name somebody",
        "log --format=%cr",
        "log --date=relative",
        "log --date=iso-local",
        "log --format=%G?",
        "for-each-ref --format=%(creatordate:relative)",
        "rev-parse HEAD@{1}",
        "rev-parse @{-1}",
        "rev-parse main@{yesterday}",
        "diff /etc/hosts x",
        "diff ../x y",
        "archive --format=tar.gz HEAD",
        "archive HEAD^{tree}",
        "check-attr text one.py",
    ],
)
def test_arguments_that_write_or_go_by_the_clock_are_refused(words: str) -> None:
    with pytest.raises(UnknownCallError, match="arguments that may tell something else tomorrow"):
        question_of(call(words))


def test_variables_that_turn_git_elsewhere_are_refused() -> None:
    with pytest.raises(UnknownCallError, match="it runs git with the variable GIT_DIR"):
        question_of(call("describe", GIT_DIR="/x"))
    assert question_of(call("describe", HOME="/x", GIT_CONFIG_GLOBAL="/y")).repository

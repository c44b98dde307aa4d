"""What a git that a build has started can have looked at, by its command line.

Known are the commands that only read, each with the options that make it look at nothing but its repository and its
settings. Everything else is refused: options that name files or other places, and times that are told as seen from now.
"""

import re
from collections.abc import Mapping

from miniuv.backend.trace import GitCall
from miniuv.values import dataclass


class UnknownCallError(Exception):
    """A call of which nobody can say what it looked at; its message is the reason why a build is no proof."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What one call asks."""

    place: tuple[str, ...]
    """Options before the command that say where the repository is."""
    repository: bool = True
    """Whether it looks at a repository at all."""
    untracked: bool = False
    """Whether it looks for files that git does not know."""
    ignored: bool = False
    """Whether it looks at ignored files too."""
    times: bool = False
    """Whether it takes a file for changed that has other times than the index knows."""


_REVISIONS = """
    --format --pretty --oneline -n --max-count --decorate --no-decorate --decorate-refs --decorate-refs-exclude
    --abbrev --abbrev-commit --no-abbrev-commit --no-abbrev --first-parent --full-history --simplify-by-decoration
    --all --tags --branches --remotes --not --exclude --reverse --topo-order --date-order --count --left-right --merges
    --no-merges --max-parents --min-parents --parents --no-walk --name-only --name-status --numstat --stat
    --shortstat --raw --no-patch -s -z -q --quiet --no-color --follow --author --committer --grep --skip --boundary
    --date --ancestry-path
"""
_DIFFERENCES = """
    --quiet -q --exit-code --name-only --name-status --cached --staged --stat --shortstat --numstat --raw -z -r -s
    --no-patch --no-ext-diff --no-textconv --no-color --no-renames --diff-filter --ignore-submodules --summary
"""
_LISTED = "--list --sort --format --points-at --contains --no-contains --merged --no-merged --no-column --ignore-case"
_OPTIONS: Mapping[str, frozenset[str]] = {
    command: frozenset(options.split())
    for command, options in {
        "archive": "--format --prefix",
        "branch": f"{_LISTED} --show-current -a --all -r --remotes --no-color",
        "cat-file": "-t -s -e -p --batch --batch-check",
        "check-attr": "-z --stdin",
        "check-ignore": "-q --quiet -v --verbose -z --stdin -n --non-matching",
        "config": """
            -l --list --get --get-all --get-regexp --type --bool --int --path -z --null --local --global --system
            --name-only --show-origin --show-scope --includes --default
        """,
        "describe": """
            --dirty --broken --tags --long --abbrev --match --exclude --always --all --exact-match --first-parent
            --contains --candidates
        """,
        "diff": _DIFFERENCES,
        "diff-files": _DIFFERENCES,
        "diff-index": _DIFFERENCES,
        "for-each-ref": f"{_LISTED} --count --exclude",
        "log": _REVISIONS,
        "ls-files": """
            -z -s --stage -c --cached -t -d --deleted -m --modified -o --others -i --ignored --exclude-standard
            --full-name --error-unmatch --recurse-submodules --directory --no-empty-directory --abbrev --deduplicate
        """,
        "ls-tree": "-r -z -t -d -l --long --name-only --name-status --object-only --full-tree --full-name --abbrev",
        "merge-base": "-a --all --is-ancestor --octopus --independent",
        "name-rev": "--tags --name-only --refs --exclude --always --no-undefined",
        "rev-list": _REVISIONS,
        "rev-parse": """
            --show-toplevel --show-prefix --show-cdup --git-dir --absolute-git-dir --git-common-dir --abbrev-ref
            --is-inside-work-tree --is-inside-git-dir --is-bare-repository --is-shallow-repository --short --verify
            --symbolic --symbolic-full-name --show-object-format --path-format --revs-only --no-revs --flags --no-flags
            --all --branches --tags --remotes --exclude -q --quiet
        """,
        "show": _REVISIONS,
        "show-ref": "--tags --heads --branches --head -d --dereference -s --hash --verify -q --quiet --abbrev",
        "status": """
            --porcelain -s --short -z -b --branch --long -u --untracked-files --ignore-submodules --no-renames
            --ahead-behind --no-ahead-behind
        """,
        "symbolic-ref": "--short -q --quiet",
        "tag": f"{_LISTED} -l -n",
        "version": "--build-options",
    }.items()
}
_LISTING = frozenset({"-l", "--list", "--points-at", "--contains", "--no-contains", "--merged", "--no-merged"})
"""Without one of these a name that is given to ``tag`` or ``branch`` is the name of a new one."""
_READING = frozenset({"-l", "--list", "--get", "--get-all", "--get-regexp"})
_HARMLESS_SETTING = re.compile(r"log\.showsignature=false|core\.quotepath=\w+|color\.ui=\w+", re.IGNORECASE)
_HARMLESS = frozenset({"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs"})
_MOVING = re.compile(
    r"[=:](\w+-)?(relative|human|local)\b|%\(signature|%[ac][rh]|%[<>|()0-9,]*G|%g|@\{(?!u\}|upstream\}|push\})"
)
"""Times as seen from now or in the zone of this machine, signatures, and what only reflogs know."""
_NUMBER = re.compile(r"(-n|-|-U)\d+")
_VARIABLES = """
    GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM GIT_CEILING_DIRECTORIES GIT_DISCOVERY_ACROSS_FILESYSTEM
    GIT_TERMINAL_PROMPT GIT_ASKPASS GIT_SSH GIT_SSH_COMMAND GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PAGER GIT_PROMPT
    GIT_OPTIONAL_LOCKS GIT_ALLOW_PROTOCOL GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_NAME
    GIT_COMMITTER_EMAIL GIT_COMMITTER_DATE GIT_MERGE_AUTOEDIT
"""


def question_of(call: GitCall) -> Question:
    """What ``call`` asks; raises ``UnknownCallError``."""
    for name, _ in call.environ:
        if name.startswith("GIT_") and name not in _VARIABLES.split():
            raise UnknownCallError(f"it runs git with the variable {name}")
    place, command, arguments = _split(call.argv[1:])
    if command == "--version":
        command = "version"
    known = _OPTIONS.get(command)
    if known is None:
        raise UnknownCallError(f"it runs `{f'git {command}'.strip()}`")
    options, names = _options(arguments)
    for option in options:
        if option not in known:
            raise UnknownCallError(f"it runs `git {command} {option}`")
    if any(_MOVING.search(each) for each in arguments) or not _only_reads(command, set(options), names, arguments):
        raise UnknownCallError(f"it runs `git {command}` with arguments that may tell something else tomorrow")
    if command == "version":
        return Question(place=place, repository=False)
    shows_others = {"-o", "--others"} & set(options)
    return Question(
        place=place,
        untracked=command == "check-ignore"
        or bool(shows_others)
        or (command == "status" and not {"-uno", "--untracked-files=no"} & set(arguments)),
        ignored=bool(shows_others)
        and ("--exclude-standard" not in options or bool({"-i", "--ignored"} & set(options))),
        times=command == "diff-files" or (command == "diff-index" and "--cached" not in options),
    )


def _split(words: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Options that say where, the command, and its arguments."""
    place: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word in ("-C", "--git-dir", "--work-tree"):
            place += words[position : position + 2]
            position += 2
        elif word.startswith(("--git-dir=", "--work-tree=")):
            place.append(word)
            position += 1
        elif word == "-c" and _HARMLESS_SETTING.fullmatch("".join(words[position + 1 : position + 2])):
            position += 2
        elif word in _HARMLESS:
            position += 1
        else:
            return tuple(place), word, words[position + 1 :]
    return tuple(place), "", ()


def _options(arguments: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Options without their values, and everything else; what follows ``--`` are names of files in the repository."""
    options, names = [], []
    for argument in arguments:
        if argument == "--":
            break
        if not argument.startswith("-") or argument == "-":
            names.append(argument)
        elif _NUMBER.fullmatch(argument):
            options.append("-n")
        elif argument.startswith("-u"):
            options.append("-u")
        else:
            options.append(argument.partition("=")[0])
    return options, names


def _only_reads(command: str, options: set[str], names: list[str], arguments: tuple[str, ...]) -> bool:
    match command:
        case "config":
            return bool(options & _READING) or len(names) == 1
        case "symbolic-ref":
            return len(names) == 1
        case "tag" | "branch":
            return not names or bool(options & _LISTING)
        case "diff":  # of two files that are anywhere
            return not any(name.startswith("/") or ".." in name.split("/") for name in arguments)
        case "archive":  # the time in an archive of a tree is now; and other formats are made by other programs
            formats = {each for each in arguments if each.startswith("--format")}
            return names[:1] == ["HEAD"] and formats <= {"--format=tar", "--format=zip"}
        case "check-attr":  # of tracked files alone; others may lie beside settings that nobody has seen
            return names == ["export-ignore"]
        case _:
            return True

"""Which ``setup.py`` cannot ask for requirements, by its text.

It is one that calls ``setup`` with keywords that describe a project, and besides that reads variables and files: made
of a small part of Python, where nothing leads to setuptools by another way. Pure; anything else is not plain.
"""

import ast
import re

_SETUP = frozenset({"setup", "setuptools.setup"})
_REACHED: dict[str, tuple[str, ...]] = {
    "io": ("open",),
    "os": (
        "environ", "getcwd", "getenv", "linesep", "listdir", "name", "path.abspath", "path.basename", "path.dirname",
        "path.exists", "path.isdir", "path.isfile", "path.join", "path.normpath", "path.realpath", "sep",
    ),
    "pathlib": ("Path",),
    "setuptools": ("find_namespace_packages", "find_packages", "setup"),
    "sys": ("argv", "exit", "platform", "version_info"),
}  # fmt: skip
"""The modules that may be imported, which are there before the script runs, and what may be used of them."""
_METHODS = frozenset(
    {
        "decode", "encode", "endswith", "exists", "format", "get", "is_dir", "is_file", "items", "join", "joinpath",
        "keys", "lower", "lstrip", "major", "minor", "name", "open", "parent", "read", "read_bytes", "read_text",
        "readlines", "replace", "resolve", "rstrip", "split", "splitlines", "startswith", "strip", "upper", "values",
        "write",
    }
)  # fmt: skip
_BUILTINS = frozenset(
    {
        "Exception", "FileNotFoundError", "ImportError", "OSError", "RuntimeError", "SystemExit", "ValueError",
        "__doc__", "__file__", "__name__", "all", "any", "bool", "dict", "enumerate", "int", "isinstance", "len",
        "list", "max", "min", "open", "print", "range", "set", "sorted", "str", "tuple", "zip",
    }
)  # fmt: skip
_KEYWORDS = frozenset(
    {
        "author", "author_email", "classifiers", "data_files", "description", "download_url", "entry_points",
        "exclude_package_data", "extras_require", "include_package_data", "install_requires", "keywords", "license",
        "license_files", "long_description", "long_description_content_type", "maintainer", "maintainer_email", "name",
        "package_data", "package_dir", "packages", "platforms", "project_urls", "py_modules", "python_requires",
        "scripts", "url", "version", "zip_safe",
    }
)  # fmt: skip
"""Of ``setup``: none of them brings code along."""
_GRAMMAR = (
    ast.Module, ast.Expr, ast.Assign, ast.If, ast.For, ast.With, ast.withitem, ast.Try, ast.ExceptHandler, ast.Pass,
    ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Raise, ast.Import, ast.ImportFrom, ast.alias,
    ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Constant, ast.Subscript, ast.Slice, ast.List, ast.Tuple,
    ast.Dict, ast.Set, ast.JoinedStr, ast.FormattedValue, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.comprehension, ast.IfExp, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.expr_context, ast.boolop,
    ast.unaryop, ast.operator, ast.cmpop,
)  # fmt: skip
_TELLING = re.compile(rb"cfg|setup_requires|\\[^\\'\"nrt]")
"""The names of what decides; and escapes that may stand for anything, or that Python may warn of."""


def is_plain(script: bytes) -> bool:
    """Whether a ``setup.py`` with this content is sure to ask for nothing, whatever it is run for."""
    if _TELLING.search(script):
        return False
    try:
        tree = ast.parse(script)
        return all(isinstance(node, _GRAMMAR) for node in ast.walk(tree)) and _Script(tree).is_fit(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


class _Script:
    def __init__(self, tree: ast.Module) -> None:
        """Raise ``ValueError`` where it imports anything else, or gives a name to something else."""
        imported: list[str] = []
        bound: list[str] = []
        self._reached: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names) if all(each.name in _REACHED and not each.asname for each in names):
                    for each in names:
                        imported.append(each.name)
                        self._reached.update(f"{each.name}.{name}" for name in _REACHED[each.name])
                case ast.ImportFrom(module=str(module), names=names, level=0) if all(
                    each.name in _REACHED.get(module, ()) and not each.asname for each in names
                ):
                    imported += [each.name for each in names]
                    self._reached.update(each.name for each in names)
                case ast.Import() | ast.ImportFrom():
                    raise ValueError("an import")
                case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                    bound.append(name)
                case ast.ExceptHandler(name=str(name)):
                    bound.append(name)
        if not _BUILTINS.union(imported).isdisjoint(bound):
            raise ValueError("a name")
        self._names = _BUILTINS.union(bound)

    def is_fit(self, node: ast.AST) -> bool:
        """Whether it and all in it use only what they may."""
        rest = ast.iter_child_nodes(node)
        match node:
            case (
                ast.Attribute(ctx=ast.Store())
                | ast.Subscript(ctx=ast.Store())
                | ast.FunctionDef(decorator_list=[_, *_])
            ):
                return False
            case ast.Call(func=func, args=arguments, keywords=keywords) if _dotted(func) in _SETUP & self._reached:
                if arguments or any(each.arg not in _KEYWORDS for each in keywords):
                    return False
                rest = iter(keywords)
            case ast.Attribute() | ast.Name() if (name := _dotted(node)) in self._reached:
                return name not in _SETUP
            case ast.Attribute(attr=attribute):
                if attribute not in _METHODS:
                    return False
            case ast.Name(id=name):
                return name in self._names
        return all(map(self.is_fit, rest))


def _dotted(node: ast.expr) -> str:
    """``os.path.join``; nothing where it is more than names."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute) if stem := _dotted(value):
            return f"{stem}.{attribute}"
        case _:
            return ""

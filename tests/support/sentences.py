"""What the program can say, read from its source: sentences, and the parts of refusals."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

from boostmon import errors
from tests.support.places import ROOT

GAP = "…"  # stands for what is put in
FEWEST_WORDS = 4  # shorter ones are words of a table, keys and the like
STORY = ("sandbox/", "cli/demonstration/")  # what is played, and not what fails
SQL = re.compile(r"\s*(--|SELECT|WITH|INSERT|UPDATE|CREATE|DO|REVOKE|SET LOCAL|ANALYZE)\b")
OURS = {name for name in vars(errors) if name.endswith("Error")}  # their docstring is said
UNSEEN = {
    "green",
    "ValueError",
    "TypeError",
    "LookupError",
    "AssertionError",
    "Card",
    "ConnectionResetError",
    "ReplacedError",
    "_check",
}
REFUSALS = {"refusal", "_refusal", "Final", "Stuck", "Passing"}
LOGGED = {"debug", "info", "warning", "error", "exception", "tell"}


class Sentence(NamedTuple):
    """A sentence with `…` for what is put in, and where it stands."""

    place: str
    text: str


def sentences() -> list[Sentence]:
    """Return all that may be read by somebody for whom something failed."""
    found = []
    for path in sorted((ROOT / "boostmon").rglob("*.py")):
        name = str(path.relative_to(ROOT / "boostmon"))
        if not name.startswith(STORY):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [Sentence(f"{name}:{line}", text) for line, text in _of_module(tree)]
    return found


def pattern(sentence: Sentence) -> re.Pattern[str]:
    """Return what finds *sentence* on a page whose bold type is gone: the rest stands in a line."""
    parts = re.sub(r"<[@#]&?…>", GAP, plain(sentence.text)).strip(GAP).split(GAP)
    return re.compile(".*?".join(re.escape(part) for part in parts))


def plain(text: str) -> str:
    """Return *text* without bold type and backticks, each run of spaces as one."""
    return re.sub(r"[ \n]+", " ", re.sub(r"\*\*|`", "", text)).strip()


def _of_module(tree: ast.Module) -> Iterator[tuple[int, str]]:
    hidden = {id(node) for outer in ast.walk(tree) for node in _hidden_in(outer)}
    whys = {id(node.args[-1]) for node in ast.walk(tree) if _refuses(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and {_name(base) for base in node.bases} & OURS:
            yield node.lineno, " ".join((ast.get_docstring(node) or "").split())
        elif id(node) not in hidden:
            text = _text(node)
            words = re.findall(r"[A-Za-z_]{2,}", text)
            enough = len(words) >= (1 if id(node) in whys else FEWEST_WORDS)
            if enough and " " in text.strip() and not SQL.match(text):
                yield node.lineno, text  # type: ignore[attr-defined] # an expression has one


def _hidden_in(node: ast.AST) -> Iterator[ast.AST]:
    """Name the docstring of *node*, the parts of a text, and what nobody reads as a sentence."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        first = node.body[:1]
        yield from ast.walk(first[0]) if first and isinstance(first[0], ast.Expr) else ()
    elif isinstance(node, ast.JoinedStr | ast.BinOp) and _text(node):
        yield from (part for part in ast.walk(node) if part is not node)
    elif isinstance(node, ast.Call) and _name(node.func) in UNSEEN | LOGGED:
        yield from (part for argument in node.args for part in ast.walk(argument))


def _refuses(node: ast.AST) -> TypeGuard[ast.Call]:
    """Tell whether *node* makes a refusal, whose last argument may be the short reason."""
    return isinstance(node, ast.Call) and _name(node.func) in REFUSALS and bool(node.args)


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"\{\w*\}", GAP, text)
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or GAP for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right) if _text(left) or _text(right):
            return (_text(left) or GAP) + (_text(right) or GAP)
    return ""

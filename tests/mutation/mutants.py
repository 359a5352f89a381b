"""What can be changed in a module so that it means something else: one small change at one place each.

Operators are those of Cosmic Ray, and one of our own that leaves a statement out. Left out are changes that mean the
same in any program of this style ("==" in place of "is" and the like; without the ``return None`` that a function ends
with), that are no Python, or that no test needs to notice: those of annotations, and of the types that ``isinstance``
is asked about.
"""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from itertools import islice
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

Place = tuple[int, int]
"""Line, from 1, and column, from 0, in characters."""

LEFT_OUT = "leave the statement out"
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_THE_SAME = ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")


@dataclass(frozen=True, slots=True, order=True)
class Mutant:
    """One change: of all changes that ``operator`` can make in ``module`` that of the number ``occurrence``."""

    module: str
    start: Place
    end: Place
    operator: str
    occurrence: int

    @property
    def name(self) -> str:
        return f"{self.module}:{self.start[0]}:{self.start[1] + 1} {self.operator.rpartition('/')[2]}"


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """All that there are in a module."""
    meaningless = [*_types(ast.parse(source))]
    tree = get_ast(source)
    for name in operator_names():
        operator_class = get_operator(name)
        if operator_class.arguments() or name.endswith("/NoOp") or name.endswith(_THE_SAME):
            continue
        operator = operator_class()
        places = (place for node in ast_nodes(tree) for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if not any(first <= start and end <= last for first, last in meaningless):
                yield Mutant(module, start, end, name, occurrence)
    for occurrence, node in enumerate(_statements(source)):
        start, end = _span(node, source)
        yield Mutant(module, start, end, LEFT_OUT, occurrence)


def mutated(source: str, mutant: Mutant) -> str:
    """The module with that change."""
    if mutant.operator == LEFT_OUT:
        lines = source.splitlines(keepends=True)
        (first, column), (last, end) = mutant.start, mutant.end
        rest = lines[last - 1][end:]
        lines[first - 1 : last] = [lines[first - 1][:column] + "pass" + rest]
        return "".join(lines)
    found = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert isinstance(found, str), f"no such mutant: {mutant.name}"
    return found


def same_mutant(root: Path, name: str, diff: str) -> Mutant | None:
    """The mutant of an earlier run, by its name and its ``difference`` then, where the program still has that line. Of
    several such lines it is the one nearest to where the line was."""
    place, _, operator = name.partition(" ")
    module, line, _ = place.rsplit(":", 2)
    source = (root / module).read_text(encoding="utf-8")
    lines, gone = source.splitlines(), {old[1:] for old in diff.splitlines() if old.startswith("-")}
    alike = (one for one in _all_of(module, source) if one.name.partition(" ")[2] == operator)
    there = (one for one in alike if not gone.isdisjoint(lines[one.start[0] - 1 : one.end[0]]))
    found = [one for one in there if difference(source, mutated(source, one)) == diff]
    return min(found, key=lambda one: abs(one.start[0] - int(line)), default=None)


@cache
def _all_of(module: str, source: str) -> tuple[Mutant, ...]:
    return tuple(mutants_of(module, source))


def difference(before: str, after: str) -> str:
    """The lines that are other lines, before and after."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def sample(root: Path, modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """So many mutants, at as many places and spread over the modules by their number of places, for the seed alone to
    tell which. A place where ten operators have something to change counts once."""
    places: dict[tuple[str, Place, Place], list[Mutant]] = defaultdict(list)
    for module in modules:
        for mutant in mutants_of(module, (root / module).read_text(encoding="utf-8")):
            places[mutant.module, mutant.start, mutant.end].append(mutant)
    chance = random.Random(seed)
    order = sorted(places)
    chance.shuffle(order)
    found = (_one_of(sorted(places[place]), root, chance) for place in order)
    return [*islice(filter(None, found), count)]


def _one_of(mutants: list[Mutant], root: Path, chance: random.Random) -> Mutant | None:
    """One of them that is another program."""
    source = (root / mutants[0].module).read_text(encoding="utf-8")
    before = ast.dump(ast.parse(source))
    chance.shuffle(mutants)
    for mutant in mutants:
        try:
            if ast.dump(ast.parse(mutated(source, mutant))) != before:
                return mutant
        except SyntaxError:
            continue
    return None


def _types(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    for node in ast.walk(tree):
        told: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = [node.returns]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            told = [node.annotation]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            told = [*node.args[1:]]
        for one in told:
            if one is not None and one.end_lineno is not None and one.end_col_offset is not None:
                # These are ASCII, so that bytes are characters, if nothing before them on the line is not.
                yield (one.lineno, one.col_offset), (one.end_lineno, one.end_col_offset)


def _statements(source: str) -> Iterator[ast.stmt]:
    """Statements without which a module still compiles: calls, raises, results, and what is added to something."""
    tree = ast.parse(source)
    ends = {id(end) for node in ast.walk(tree) if isinstance(node, _FUNCTION) for end in _ends(node.body)}
    for node in ast.walk(tree):
        if id(node) in ends and isinstance(node, ast.Return) and _is_none(node.value):
            continue
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        returned = isinstance(node, ast.Return) and node.value is not None
        if called or returned or isinstance(node, ast.Raise | ast.AugAssign | ast.Delete):
            assert isinstance(node, ast.stmt)
            yield node


def _ends(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements after which nothing of a function is left to do."""
    match body[-1] if body else None:
        case ast.If(body=then, orelse=otherwise):
            yield from (*_ends(then), *_ends(otherwise))
        case ast.Match(cases=cases):
            yield from (end for one in cases for end in _ends(one.body))
        case ast.stmt() as end:
            yield end


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _span(node: ast.stmt, source: str) -> tuple[Place, Place]:
    lines = source.splitlines()

    def place(line: int, offset: int) -> Place:
        return line, len(lines[line - 1].encode()[:offset].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)

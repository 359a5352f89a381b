"""The line of every key of a TOML file, however it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

from hypothesis import given
from hypothesis import strategies as st

from shiftdeck.config.template import toml_value
from shiftdeck.config.toml_lines import dotted, key_lines, line_of, quoted_key

TEXT = '''\
# [not.a.table]
top = 1   # top2 = 2
multi = """
[inside]
key = "not a key"
\\""" still inside
"""""
literal = \'\'\'
a = 1
\'\'\'
list = [
  "]", # ] comment
  { x = 1 }, [2,
  3],
]

[contexts.lab] # table
production = true
a."b.c".'d e' = "x = 1"
inline = { p95 = "1s", deep = { x = "}" } }
  [ contexts . "lab:prod/x" ]
	after = 'it is "fine"'

[[many]]
one = 1
[[many]]
two = 2
'''


def test_every_way_of_writing_a_key_has_its_line() -> None:
    tomllib.loads(TEXT)
    assert key_lines(TEXT) == {
        ("top",): 2,
        ("multi",): 3,
        ("literal",): 8,
        ("list",): 11,
        ("contexts",): 17,
        ("contexts", "lab"): 17,
        ("contexts", "lab", "production"): 18,
        ("contexts", "lab", "a"): 19,
        ("contexts", "lab", "a", "b.c"): 19,
        ("contexts", "lab", "a", "b.c", "d e"): 19,
        ("contexts", "lab", "inline"): 20,
        ("contexts", "lab:prod/x"): 21,
        ("contexts", "lab:prod/x", "after"): 22,
        ("many",): 24,
        ("many", "one"): 25,
        ("many", "two"): 27,
    }


def test_a_key_in_an_inline_table_has_the_line_of_the_key_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(("contexts", "lab", "inline", "deep", "x"), lines) == 20
    assert line_of(("contexts", "missing"), lines) == 17
    assert line_of(("nowhere",), lines) is None


def test_windows_line_ends_count_once() -> None:
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 3, ("b", "c"): 4}


_KEYS = st.text(min_size=1, max_size=8).filter(lambda key: not any("\ud800" <= char <= "\udfff" for char in key))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_SCALARS = _TEXTS | st.booleans() | st.integers(-5, 5)
_VALUES = _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(_KEYS, _SCALARS, max_size=3)
_NOISE = st.sampled_from(["", "\n", "# a = 1 [x]\n", "  \t\n", "\r\n"])
_MULTI = _TEXTS.map(lambda text: '"""\n' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "") + '\n"""')


def _printable(value: str) -> bool:
    return all(char in "\n\t" or (char >= " " and char != "\x7f") for char in value)


@given(st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=4), st.data())
def test_each_key_is_found_on_the_line_it_was_written_on(
    tables: dict[str, dict[str, object]], data: st.DataObject
) -> None:
    text = ""
    wanted: dict[tuple[str, ...], int] = {}
    for name, table in tables.items():
        text += data.draw(_NOISE)
        wanted[(name,)] = text.count("\n") + 1
        text += f"[{quoted_key(name)}]" + data.draw(st.sampled_from(["\n", " # [z]\n"]))
        for key, value in table.items():
            text += data.draw(_NOISE)
            wanted[(name, key)] = text.count("\n") + 1
            multi = data.draw(_MULTI.filter(_printable) | st.none())
            text += f"{quoted_key(key)} = {toml_value(value) if multi is None else multi}\n"
    read = tomllib.loads(text)
    assert key_lines(text) == wanted
    assert set(_paths(read)) == set(wanted)


def _paths(tables: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, ...]]:
    for name, table in tables.items():
        yield (name,)
        yield from ((name, key) for key in table)


@given(st.lists(_KEYS, min_size=1, max_size=4))
def test_a_dotted_path_is_written_as_toml_reads_it(path: list[str]) -> None:
    found: object = tomllib.loads(f"{dotted(tuple(path))} = 1")
    for part in path:
        assert isinstance(found, dict)
        found = found[part]
    assert found == 1


@given(st.text(alphabet="ab.=[]{}\"'#\\\n\t, 1", max_size=60))
def test_whatever_tomllib_reads_has_lines_within_the_text(text: str) -> None:
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
    assert {path[0] for path in lines} == set(read)

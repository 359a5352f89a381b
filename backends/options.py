"""The options of an adapter as typed fields. Each is declared once, with its help text and its default.

    class ScrapeOptions(Options):
        url = url("the address that serves the metrics", required=True)
        token = secret("bearer token")
        retention = duration("how far back the memory goes", default=3600.0)

``ScrapeOptions.SETTINGS`` lists the settings: the configuration is validated against it, ``shiftdeck init`` writes it
and ``doctor`` shows it. To the type checker ``options.url`` is a ``str``, ``options.token`` a ``Secret | None``,
``options.retention`` a ``float``. These classes are not dataclasses: a dataclass would take a millisecond to make, and
a dataclass with several bases cannot have slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NoReturn, TypeVar, cast, overload

from backends.settings import Secret, Setting, SettingType

T = TypeVar("T")

TIMEOUT_S = 5.0
"""How long a call may take, unless the source's own ``timeout`` says otherwise."""


class Option(Generic[T]):
    """A field of ``Options``. On an instance it reads as its value, on the class as the field itself. Its key is the
    name of the class attribute."""

    __slots__ = ("_accepts", "_choices", "_default", "_help", "_required", "_source_kind", "_type", "setting")
    setting: Setting

    def __init__(
        self,
        written: SettingType,
        accepts: tuple[type[object], ...],
        words: str,
        default: object,
        required: bool,
        choices: tuple[str, ...],
        source_kind: str,
    ) -> None:
        self._type, self._accepts, self._help, self._default = written, accepts, words, default
        self._required, self._choices, self._source_kind = required, choices, source_kind

    def __set_name__(self, owner: type[object], name: str) -> None:
        """Name the field. A class may also take a field of another class: the field keeps its setting and its name."""
        if not hasattr(self, "setting"):
            self.setting = Setting(
                name, self._type, self._help, self._default, self._required, self._choices, self._source_kind
            )
        elif self.setting.key != name:
            raise TypeError(f"option {self.setting.key} is named {name} in {owner.__name__}")

    @overload
    def __get__(self, options: None, owner: type[object]) -> Option[T]: ...
    @overload
    def __get__(self, options: Options, owner: type[object]) -> T: ...
    def __get__(self, options: Options | None, owner: type[object]) -> Option[T] | T:
        return self if options is None else cast("T", options._values[self.setting.key])  # noqa: SLF001 - its field

    def __set__(self, options: Options, value: NoReturn) -> NoReturn:
        raise AttributeError(f"option {self.setting.key} cannot be changed")

    def checked(self, value: object) -> object:
        """``value``, if it has the type that the configuration's validation produces.

        Raises:
            TypeError: ``value`` has another type.
        """
        fits = isinstance(value, self._accepts) and (not isinstance(value, bool) or bool in self._accepts)
        if not fits and not (value is None and self._default is None and not self._required):
            raise TypeError(f"option {self.setting.key} is a {self._type.value}, not a {value.__class__.__name__}")
        return value


class Options:
    """The options of one adapter: a value for each field, and the deadline of each call. Immutable.

    A field that a subclass declares again keeps its place. Fields of several bases come in the order of the bases. The
    fields of ``class Cluster(Options, platform="TYPE")`` may be set once in the table of a platform of that type, for
    all sources on it.
    """

    __slots__ = ("_values", "timeout_s")
    SETTINGS: ClassVar[tuple[Setting, ...]] = ()
    _fields: ClassVar[Mapping[str, Option[Any]]] = {}
    timeout_s: float
    _values: Mapping[str, object]

    def __init__(self, timeout_s: float = TIMEOUT_S, /, **values: object) -> None:
        """A field that is not given has its default.

        Raises:
            TypeError: a key is unknown, a value is missing, or a value is not of its setting's type.
        """
        if unknown := values.keys() - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        found = {}
        for key, field in self._fields.items():
            found[key] = field.checked(values.get(key, field.setting.default))
        object.__setattr__(self, "_values", found)
        object.__setattr__(self, "timeout_s", timeout_s)

    def __init_subclass__(cls, *, platform: str = "") -> None:
        fields: dict[str, Option[Any]] = {}
        for base in cls.__bases__:
            fields |= getattr(base, "_fields", {})
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Option)}
        for field in own.values() if platform else ():
            field.setting = replace(field.setting, platform=platform)
        fields |= own
        cls._fields = fields
        cls.SETTINGS = tuple(field.setting for field in fields.values())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be changed")

    def __repr__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self._values.items())
        return f"{type(self).__name__}(timeout_s={self.timeout_s!r}, {given})"


class _Maker(Generic[T]):
    """Makes fields of one type. ``words`` is the help text of the field."""

    __slots__ = ("_accepts", "_type")

    def __init__(self, written: SettingType, *accepts: type[object]) -> None:
        self._type = written
        self._accepts = accepts

    @overload
    def __call__(self, words: str, *, default: T, choices: tuple[str, ...] = ()) -> Option[T]: ...
    @overload
    def __call__(self, words: str, *, required: Literal[True], choices: tuple[str, ...] = ()) -> Option[T]: ...
    @overload
    def __call__(self, words: str, *, choices: tuple[str, ...] = ()) -> Option[T | None]: ...
    def __call__(
        self, words: str, *, default: T | None = None, required: bool = False, choices: tuple[str, ...] = ()
    ) -> Option[Any]:
        return Option(self._type, self._accepts, words, default, required, choices, "")


text: _Maker[str] = _Maker(SettingType.TEXT, str)
url: _Maker[str] = _Maker(SettingType.URL, str)
number: _Maker[float] = _Maker(SettingType.NUMBER, int, float)
percent: _Maker[float] = _Maker(SettingType.PERCENT, int, float)
duration: _Maker[float] = _Maker(SettingType.DURATION, int, float)
flag: _Maker[bool] = _Maker(SettingType.FLAG, bool)
path: _Maker[Path] = _Maker(SettingType.PATH, Path)
texts: _Maker[tuple[str, ...]] = _Maker(SettingType.TEXTS, tuple)
table: _Maker[Mapping[str, str]] = _Maker(SettingType.TABLE, Mapping)
secret: _Maker[Secret] = _Maker(SettingType.SECRET, Secret)


@overload
def source(kind: str, words: str, *, required: Literal[True]) -> Option[str]: ...
@overload
def source(kind: str, words: str) -> Option[str | None]: ...
def source(kind: str, words: str, *, required: bool = False) -> Option[Any]:
    """The name of another source of the same context, of that kind."""
    return Option(SettingType.SOURCE, (str,), words, None, required, (), kind)

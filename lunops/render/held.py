"""Values that may be handed around but not used: not known yet, broken, missing, or left out on purpose."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Final, NoReturn

from jinja2 import StrictUndefined, Undefined, UndefinedError
from jinja2.utils import missing

from lunops.errors import LunopsError, NotYetKnownError, TemplateError
from lunops.model import Json
from lunops.near import hint


class Held:
    """A value that raises its error at any use; an expression may pass it by in a branch that is not taken.

    Also its `repr` is a use, since `str` of a list around it would show it.
    """

    __slots__ = ("_held",)

    def __init__(self, held: LunopsError) -> None:
        self._held = held

    def trip(self) -> NoReturn:
        """Raise its error."""
        raise self._held

    def _trip(self, *_args: object, **_named: object) -> Any:
        raise self._held

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # Python asks for what a type can do
        raise self._held

    def __copy__(self) -> Held:
        return self

    def __deepcopy__(self, _memo: object) -> Held:
        return self

    __str__ = __repr__ = __format__ = __bool__ = __len__ = __iter__ = __contains__ = __call__ = _trip
    __getitem__ = __hash__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _trip
    __int__ = __float__ = __index__ = __abs__ = __neg__ = __pos__ = __invert__ = __round__ = __reversed__ = _trip
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _trip
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = _trip
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _trip


class Unknown(Held):
    """A value that only the run will give; any use of it in an expression raises `NotYetKnownError`.

    It may stand anywhere in the variables: as one, or inside of their dicts and lists.
    """

    __slots__ = ()

    def __init__(self, name: str, why: str = "") -> None:
        super().__init__(NotYetKnownError(name, why))


class Broken(Held):
    """What a nested variable is whose expression cannot be filled in: the error is told where it is used."""

    __slots__ = ()


class Missing(StrictUndefined):
    """What a name without a value is: any use of it says which name that was; what is looked up in it is it again."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"there is no variable {name!r}"
        there = self._undefined_obj
        if isinstance(there, Mapping):
            return f"there is no {name!r} in it ({hint(str(name), map(str, there), 'keys')})"
        return f"{there!r:.200} has no {name!r}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _key: object) -> Missing:  # type: ignore[override]
        return self

    def needed_by(self, name: str, where: str) -> Missing:
        """Return it with the name and place of the variable that asked for it."""
        place = f" ({where})" if where else ""
        return Missing(hint=f"{self._undefined_message}, which {name!r}{place} needs")


class Omit:
    """The type of `OMIT`."""

    __slots__ = ()

    def __str__(self) -> str:
        raise TemplateError("`omit` leaves a whole argument out, and is no part of a text", fix="let it stand alone")

    def __repr__(self) -> str:
        return "omit"

    def __reduce__(self) -> str:
        return "OMIT"


OMIT: Final = Omit()  # `{{ x | default(omit) }}`: what holds it is left out


def trip(value: object) -> None:
    """Raise the error of a value that must not be used; any other is fine."""
    if isinstance(value, Held):
        value.trip()
    if isinstance(value, Undefined):
        if isinstance(value, Missing):
            str(value)  # raises, naming it
        raise UndefinedError("the condition of an `if` does not hold, and there is no `else`")


def settle(value: object) -> Json:
    """Return the value as plain JSON data; a name without a value, and what is not data, are errors.

    What is `OMIT` in a dict or list is left out; alone, it is returned.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    trip(value)
    if isinstance(value, Mapping):
        return {str(settle(key)): settle(each) for key, each in value.items() if each is not OMIT}
    if isinstance(value, list | tuple | range | Iterator | KeysView | ValuesView | ItemsView):
        return [settle(each) for each in value if each is not OMIT]
    if value is OMIT:
        return OMIT
    if callable(value):
        fix = "call it with ( ), or write x['name'] for a key of that name"
        raise TemplateError(f"this gives no data, but a {type(value).__name__}", fix=fix)
    raise TypeError(f"{value!r} is no data, but a {type(value).__name__}")

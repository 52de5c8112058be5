"""Read untrusted pickles of plain containers and byte arrays without executing anything.

`pickle.load` calls whatever a pickle names, and an allow-list is no protection here: NumPy's constructors
dereference any pointer in a forged state. So a pickle is interpreted as data: `pickletools` parses the
opcodes, containers are built from them, and what `pickle` would call is recorded as a `Call` but never
called.
"""

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A batch of CIFAR-10 has 10,000 labels and 10,000 file names, in about 30,000 opcodes.
MOST_OPCODES = 200_000
# Globals allowed in a pickle: those of an array pickled by NumPy 1, by NumPy 2 or with Python 3's protocol 2.
ALLOWED = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
}


@dataclass(frozen=True)
class Name:
    """A global, given as a module and a name in it; one of `ALLOWED`."""

    name: str


@dataclass
class Call:
    """A call that unpickling would make: the callable, its arguments, and the state set on the result."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickle(body: bytes) -> Any:
    """The content of a pickle: str, bytes, int, float, bool, None, list, tuple, dict with str keys, `Call`.

    Python 2 byte strings are decoded as Latin-1. Memory and time are bounded by `MOST_OPCODES` and the length
    of `body`: nothing is copied, and memo indices allocate nothing.

    Raises:
        ValueError: if the pickle is damaged, too long, or contains anything else.
    """
    memo: dict[int, Any] = {}
    stack: list[Any] = []
    outer: list[list[Any]] = []  # the stacks below each mark
    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(body), start=1):
        if count > MOST_OPCODES:
            raise ValueError(f"it has more than {MOST_OPCODES:,} opcodes")
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                outer.append(stack)
                stack = []
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case (
                "BININT" | "BININT1" | "BININT2" | "LONG1" | "LONG4" | "BINFLOAT"
                | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "BINSTRING" | "SHORT_BINSTRING"
                | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8"
            ):  # fmt: skip
                stack.append(argument)
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(opcode.name[-1]))]
                stack.append(tuple(reversed(items)))
            case "TUPLE":
                items, stack = stack, outer.pop()
                stack.append(tuple(items))
            case "APPEND":
                value = stack.pop()
                _top(stack, list).append(value)
            case "APPENDS":
                items, stack = stack, outer.pop()
                _top(stack, list).extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _set_items(_top(stack, dict), [key, value])
            case "SETITEMS":
                items, stack = stack, outer.pop()
                _set_items(_top(stack, dict), items)
            case "GLOBAL":
                stack.append(_allowed(argument))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_allowed(f"{module} {name}" if type(module) is type(name) is str else ""))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not isinstance(function, Name) or not isinstance(arguments, tuple):
                    raise ValueError("it calls what is not a function")
                stack.append(Call(function.name, arguments))
            case "BUILD":
                state = stack.pop()
                _top(stack, Call).state = state
            case _:
                raise ValueError(f"it has the opcode {opcode.name}, which is not allowed in data")
    raise ValueError("it does not end")


def byte_matrix(value: Any, columns: int) -> NDArray[np.uint8]:
    """The uint8 array [n, columns] described by a value from `read_pickle`.

    Raises:
        ValueError: if the value describes anything else; the message says what.
    """
    match value:
        case Call(
            state=(_, shape, Call(name="numpy dtype", arguments=(str(kind), *_)), fortran_order, content)
        ):
            pass
        case _:
            raise ValueError(f"of type {type(value).__name__}")
    if kind != "u1":
        raise ValueError(f"an array of type {kind}")
    match content:
        case bytes(raw):
            pass
        case str(text) | Call(name="_codecs encode", arguments=(str(text), "latin1")):
            raw = text.encode("latin-1")
        case _:
            raise ValueError("an array of no bytes")
    rows, rest = divmod(len(raw), columns)
    if shape != (rows, columns) or rest or fortran_order:
        raise ValueError(f"an array of {len(raw):,} bytes in another shape or order")
    return np.frombuffer(raw, np.uint8).reshape(rows, columns)


def _top(stack: list[Any], kind: type) -> Any:
    if not isinstance(stack[-1], kind):
        raise ValueError(f"it changes a {type(stack[-1]).__name__} as if it were a {kind.__name__}")
    return stack[-1]


def _set_items(target: dict[str, Any], items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Integer hashes can be forced to collide, which takes quadratic time; string hashes are randomised.
        if type(key) is not str:
            raise ValueError(f"it has a key of type {type(key).__name__}")
        target[key] = value


def _allowed(name: str) -> Name:
    if name not in ALLOWED:
        raise ValueError(f"it asks for {name.replace(' ', '.')}, which is not allowed in data")
    return Name(name)

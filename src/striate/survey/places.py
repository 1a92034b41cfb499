"""Networks that stand at a place in Python: package.module:function, or path/to/file.py:function."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from striate.base.errors import StriateError, UsageError, nearest
from striate.base.foreign import missing_package, raised
from striate.base.paths import path_of
from striate.survey.offline import Fetched, offline
from striate.survey.typed import options_of

if TYPE_CHECKING:
    from torch import nn

HINT = "PACKAGE.MODULE:FUNCTION or FILE.py:FUNCTION, as in torchvision.models:mobilenet_v2"


def built(place: str, options: Mapping[str, Any], *, storage: bool) -> nn.Module:
    """What the function at this place returns: the user's own code is run, and fetches nothing.

    Without `storage` it builds on tensors that have shapes and no memory. One that reads the values of a tensor, as of
    a `linspace` of dropout rates, is built with storage after all.
    """
    import torch
    from torch import nn

    with _own_folder(place), _told(place):
        builder = _function(place)
        if isinstance(builder, nn.Module):
            return builder
        given = options_of(builder, place, options)
        made = None
        if not storage:
            with contextlib.suppress(Exception), torch.device("meta"):
                made = builder(**given)
        made = builder(**given) if made is None else made
    if not isinstance(made, nn.Module):
        cause = f"it gives a {type(made).__name__}, not a torch.nn.Module"
        raise UsageError(f"model {place}", cause, "another function")
    return made


def is_file(place: str) -> bool:
    return place.rpartition(":")[0].endswith(".py")


@contextlib.contextmanager
def _told(place: str) -> Iterator[None]:
    """Whatever the user's own code raises is a sentence that says where."""
    where = f"model {place}"
    try:
        with offline():
            yield
    except StriateError:
        raise
    except Fetched as error:
        cause = f"it would fetch {error}, and a network that is counted needs no weights"
        raise UsageError(
            where, cause, "a function that builds it without, or an option that leaves them out"
        ) from error
    except ImportError as error:
        raise missing_package(where, error) from error
    except SystemExit as error:
        cause = f"its code leaves Python ({raised(error)})"
        raise UsageError(where, cause, "a file that leaves only under `if __name__ == '__main__'`") from error
    except RecursionError as error:
        cause = f"it cannot be built, for its calls are nested too deeply ({raised(error)})"
        raise UsageError(where, cause, "a function that ends, or sys.setrecursionlimit in its file") from error
    except Exception as error:
        hint = "the function as Python calls it, with --model-options for what it takes"
        raise UsageError(where, f"it cannot be built ({raised(error)})", hint) from error


def _function(place: str) -> Any:
    module, _, name = place.rpartition(":")
    if not module or not name:
        raise UsageError(f"model {place}", "it names no function", HINT)
    found: Any = _of_file(place, path_of(module)) if is_file(place) else _imported(place, module)
    for part in name.split("."):
        if not hasattr(found, part):
            near = nearest(part, [each for each in vars(found) if not each.startswith("_")])
            where, _, _ = place.rpartition(":")
            raise UsageError(f"model {place}", f"there is no {part!r} in it", f"{where}:{near[0]}" if near else HINT)
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"model {place}", f"{name} is a {type(found).__name__} and no function", "another name")
    return found


def _imported(place: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        cause = f"it cannot be built, for there is no module {error.name!r}"
        hint = f"{module.replace('.', '/')}.py:..., the path of a file, or pip install {module.split('.')[0]}"
        raise UsageError(f"model {place}", cause, hint) from error
    except (TypeError, ValueError) as error:  # a relative name, an empty one
        raise UsageError(f"model {place}", f"{module!r} is no name of a module", HINT) from error


def _of_file(place: str, path: Path) -> ModuleType:
    """The module in a file; one in a package is that part of the package, so that it finds its neighbours."""
    if not path.is_file():
        names = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = nearest(path.name, names)
        hint = f"{path.with_name(near[0])}:{place.rpartition(':')[2]}" if near else "the path of a Python file"
        raise UsageError(f"model {place}", "there is no such file", hint)
    path = path.resolve()
    name, _ = _package(path)
    if "." in name:
        found = importlib.import_module(name)
        if _file(found) == path:
            return found
    name = f"{name} of {path}" if name in sys.modules else name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for what looks a class up by its module
    spec.loader.exec_module(module)
    return module


def _package(path: Path) -> tuple[str, Path]:
    """The name of a file's module, with the packages that it is in, and the folder from which these are found."""
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names), folder


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


@contextlib.contextmanager
def _own_folder(place: str) -> Iterator[None]:
    """Modules of the current folder can be named, as with `python -m`, and the neighbours of a file.

    Another file may have neighbours of the same names: those of this one are forgotten at the end.
    """
    path = path_of(place.rpartition(":")[0]).resolve()
    own = [path.parent, _package(path)[1]] if is_file(place) else []
    before, modules, written = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    sys.path[:0] = dict.fromkeys(map(str, [*own, Path.cwd()]))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = before, written
        for name in set(sys.modules) - modules:
            file = _file(sys.modules[name])
            if file is not None and own and file.is_relative_to(own[-1]) and "site-packages" not in file.parts:
                del sys.modules[name]

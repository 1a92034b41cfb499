"""The command: what a person typed, and what they are told when it fails. The verbs stand in verbs/."""

import inspect
import io
import platform
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args, get_origin

from cyclopts import App, CycloptsError, Parameter, Token, UnknownOptionError, convert

from striate.base.errors import StriateError, UsageError
from striate.base.paths import path_of
from striate.base.processes import speaks
from striate.shell.asked import typed
from striate.shell.output import print_json, tell, tell_lines
from striate.shell.streams import guarded
from striate.shell.verbs.audit import audit
from striate.shell.verbs.blocks import blocks, gates
from striate.shell.verbs.choose import choose
from striate.shell.verbs.claims import claims
from striate.shell.verbs.counting import count
from striate.shell.verbs.draw import draw
from striate.shell.verbs.embed import between, embed
from striate.shell.verbs.ensemble import ensemble
from striate.shell.verbs.explain import explain
from striate.shell.verbs.formula import formula
from striate.shell.verbs.gallery import gallery
from striate.shell.verbs.landscape import landscape
from striate.shell.verbs.latency import latency
from striate.shell.verbs.memory import memory
from striate.shell.verbs.networks import compare, models
from striate.shell.verbs.runs import evaluate, predict, report, runs
from striate.shell.verbs.sheet import sheet
from striate.shell.verbs.study import study
from striate.shell.verbs.training import train
from striate.training.synonyms import DECIDED, called

# What count was asked before it had verbs beside it.
MOVED = {
    "--why": "--show why",
    "--stages": "--show stages",
    "--operators": "--show operators",
    "--fits": "striate memory MODEL --within 24GiB",
    "--curve": "striate memory MODEL --curve FILE.svg",
    "--measure": "striate latency MODEL",
    "--again": "striate latency MODEL --again",
    "--device": "striate latency MODEL --device cpu, or striate memory",
    "--draw": "striate draw MODEL --to FILE.svg",
    "--seen": "striate draw MODEL --of field --to FILE.svg",
}

# What others call the verbs.
VERBS = {
    word: f"striate {verb}"
    for verb, words in {
        "train": "fit learn finetune", "evaluate": "eval val validate test", "predict": "infer inference classify",
        "count": "summary info params flops profile", "models": "list ls catalog", "embed": "features",
        "explain": "gradcam grad-cam saliency interpret attribute",
        "gallery": "deconvnet", "sheet": "activations filters maps",
        "audit": "check inspect scan clean dedupe",
        "draw": "plot show",
    }.items()
    for word in words.split()
}  # fmt: skip

WHOLE = (int, int | None, int | bool, tuple[int, ...])
PROMISED = ("Linux", "Darwin")
ELSEWHERE = (
    "striate is promised on Linux and macOS. Here it is not: a save may not outlive a power cut, and a closed window "
    "may end a training without one."
)

app = App(
    name="striate",
    help="Convolutional networks on pictures: built exactly, counted exactly, trained honestly.",
    help_epilogue="Every command takes --help, --json and --debug. First steps: striate train digits",
    version_flags=["--version"],
)


def _whole(kind: Any, tokens: Sequence[Token]) -> Any:
    """A whole number; the parser itself would round 1.5 to 2."""
    for token in tokens:
        if "." in token.value:
            raise ValueError(f"{token.value!r} is not a whole number")
    return convert(kind, tokens)


def _path(kind: Any, tokens: Sequence[Token]) -> Path:
    """A path; `~` is home also where the shell leaves it, as in --runs=~/runs."""
    return path_of(tokens[0].value)


def _exact(verb: Callable[..., None]) -> Callable[..., None]:
    """The same verb, with whole numbers that are never rounded, and paths that may begin at home."""
    exact = {}
    for name, parameter in inspect.signature(verb).parameters.items():
        kind = parameter.annotation
        bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if bare in (*WHOLE, Path, Path | None):
            exact[name] = Annotated[kind, Parameter(converter=_whole if bare in WHOLE else _path)]
    verb.__annotations__ = verb.__annotations__ | exact  # the parser looks here before the signature
    return verb


for verb in (
    train,
    study,
    choose,
    audit,
    evaluate,
    predict,
    embed,
    between,
    explain,
    gallery,
    sheet,
    blocks,
    gates,
    landscape,
    claims,
    ensemble,
    report,
    models,
    count,
    memory,
    latency,
    formula,
    draw,
    compare,
    runs,
):
    app.command(_exact(verb))
app.register_install_completion_command()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command; leaves with 0 done, 1 a fault of its own, 2 usage, 3 data, 4 run or weights, 5 environment, 128 +
    the number of a signal."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode is told what it can show
            stream.reconfigure(errors="backslashreplace")
    debug, as_json = "--debug" in words, "--json" in words
    words = [_underscored(word) for word in words if word != "--debug"]
    if platform.system() not in PROMISED and speaks():
        tell(ELSEWHERE, file=sys.stderr)
    try:
        # a training outlives the terminal that it was started from
        with guarded(lasting=words[:1] in (["train"], ["study"], ["choose"], ["claims"])):
            _answer(words, debug, as_json)
    except BrokenPipeError:  # the reader of our output has left; nothing more to say to it
        sys.exit(128 + signal.SIGPIPE)


def _answer(words: Sequence[str], debug: bool, as_json: bool) -> NoReturn:
    try:
        verb, given, beside = app.parse_args(words, exit_on_error=False, print_error=False)
        typed_here = {"command": shlex.join(["striate", *words])} if "command" in beside else {}
        verb(*given.args, **given.kwargs, **typed_here)
        sys.stdout.flush()
        sys.exit(0)
    except StriateError as error:
        _fail(error, debug, as_json)
    except CycloptsError as error:
        _fail(_usage(error, words), debug, as_json)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _underscored(word: str) -> str:
    """--model-options.zero-init as --model-options.zero_init: the parser knows the first part only."""
    option, equals, value = word.partition("=")
    table, dot, name = option.partition(".")
    if table not in ("--model-options", "--task-options") or not dot:
        return word
    return f"{table}.{name.replace('-', '_')}{equals}{value}"


def _fail(error: StriateError, debug: bool, as_json: bool) -> NoReturn:
    if debug:
        tell_lines("".join(traceback.format_exception(error)), file=sys.stderr)
    if speaks():
        tell(f"error[{error.kind}]: {error.where}: {error.cause}. Try: {error.told(typed)}", file=sys.stderr)
        if as_json:
            print_json(error.as_dict(typed))
    sys.exit(error.exit_code)


def _usage(error: CycloptsError, words: Sequence[str]) -> UsageError:
    """The parser's own message as one sentence; it names the option and the nearest one."""
    for old in (word.partition("=")[0] for word in words[1:] if words[0] == "count"):
        if old in MOVED:
            return UsageError(f"striate count {old}", "it has a verb or a word of its own now", MOVED[old])
    message = " ".join(str(error).split())
    said, _, near = message.partition(" Did you mean ")
    command = " ".join(error.command_chain or ())
    where, hint = f"striate {command}".strip(), near.rstrip("?").split("?")[0]
    if isinstance(error, UnknownOptionError):
        hint = _meant(said.removeprefix("Unknown option: ").rstrip("."), command)
    elif said.startswith("Unused Tokens"):
        pairs = (word.partition("=") for word in words[1:] if word[0] != "-" and "=" in word)
        hint = next((f"--{name} {value}" for name, _, value in pairs), "")
    elif words and not command:
        hint = VERBS.get(words[0], hint)
    return UsageError(where, said.rstrip("."), hint or f"{where} --help")


def _meant(option: str, verb: str) -> str:
    """The option of a verb that somebody means; none where nothing is near."""
    name = option.strip("-").replace("-", "_")
    if verb == "train" and name in DECIDED:
        return DECIDED[name]
    if option == "--with" and verb in ("predict", "evaluate"):
        return "striate ensemble RUN RUN: its folder answers as a run does"
    names = [each for argument in app[verb].assemble_argument_collection() for each in argument.names]
    found = called(name, [each.strip("-").replace("-", "_") for each in names if each.startswith("--")])
    if found == "data" and verb == "train":
        return "the data without a name: striate train DATA"
    return f"--{found.replace('_', '-')}, as striate calls it" if found else ""

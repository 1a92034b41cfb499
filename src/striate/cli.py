"""The command: what a person typed, and what they are told when it fails. The verbs stand in commands/."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError

from striate.commands.counting import count
from striate.commands.networks import compare, models
from striate.commands.runs import evaluate, predict, runs
from striate.commands.training import train
from striate.errors import StriateError, UsageError

app = App(
    name="striate",
    help="Convolutional networks on pictures: built exactly, counted exactly, trained honestly.",
    help_epilogue="Every command takes --help, --json and --debug. First steps: striate train digits",
    version_flags=["--version"],
)
for verb in (train, evaluate, predict, models, count, compare, runs):
    app.command(verb)
app.register_install_completion_command()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command; leaves with 0 done, 2 usage, 3 data, 4 run or weights, 5 environment, 130 or 143 signals."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in words, "--json" in words
    words = [word for word in words if word != "--debug"]
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        sys.exit(0)
    except StriateError as error:
        _fail(error, debug, as_json)
    except CycloptsError as error:
        _fail(_usage(error), debug, as_json)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output has left; nothing more to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _fail(error: StriateError, debug: bool, as_json: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    if os.environ.get("RANK", "0") == "0":  # one process of a group speaks
        print(f"error[{error.kind}]: {error}", file=sys.stderr)
        if as_json:
            print(json.dumps(error.as_dict()))
    sys.exit(error.exit_code)


def _usage(error: CycloptsError) -> UsageError:
    """The parser's own message as one sentence; it names the option and the nearest one."""
    message = " ".join(str(error).split())
    said, _, near = message.partition(" Did you mean ")
    command = " ".join(error.command_chain or ())
    hint = near.rstrip("?").split("?")[0] if near else f"striate {command} --help".replace("  ", " ")
    return UsageError(f"striate {command}".strip(), said.rstrip("."), hint)

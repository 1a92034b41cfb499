"""What a convolution borrows on a CPU while it runs, besides arguments and results: predicted beside measured.

Measured: the most of the running sum of the profiler's allocation events of one call, less what is left of it. With
`ONEDNN_VERBOSE=1` before the command, oneDNN says which copies it makes.

    python benchmarks/borrowed.py --write
    python benchmarks/borrowed.py --threads 1
"""

import argparse
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from digits import machine, table
from striate.cost.borrowed import borrowed
from striate.cost.walk.events import NO_CALL, Call

aten = torch.ops.aten
KIB = 1 << 10


@dataclass(frozen=True)
class Case:
    """A convolution of square pictures; channels are those of the whole layer."""

    batch: int
    given: int
    result: int
    pixels: int
    kernel: int
    groups: int = 1
    stride: int = 1
    transposed: bool = False

    def told(self) -> str:
        result = f"{self.result} of {self.kernel}^2, stride {self.stride}" + (", transposed" if self.transposed else "")
        return f"{self.batch} x {self.given} x {self.pixels}^2, {result}"


CASES = (
    *(Case(4, 96, 96, 28, kernel, 96) for kernel in (3, 5, 7, 9)), Case(4, 96, 96, 28, 3, 96, 2),
    *(Case(4, 96, 96, 56, kernel, 96) for kernel in (3, 7)),
    *(Case(2, each, each, 14, 7, each) for each in (40, 320, 768)),
    *(Case(batch, 96, 96, 14, 7, 96) for batch in (1, 4, 16)),
    *(Case(4, 16 * each, 16 * each, 14, 3, 16) for each in (2, 4, 8, 12, 16)), Case(4, 128, 128, 28, 3, 32),
    Case(4, 64, 64, 28, 3), Case(4, 64, 64, 28, 3, stride=2), Case(4, 64, 256, 28, 1), Case(4, 256, 64, 28, 1),
    Case(2, 512, 512, 7, 3), Case(2, 160, 320, 14, 2, stride=2), Case(4, 3, 64, 64, 7, stride=2),
    Case(4, 40, 56, 14, 3),
    Case(4, 64, 32, 28, 2, stride=2, transposed=True), Case(4, 64, 32, 28, 4, stride=2, transposed=True),
)  # fmt: skip


def calls(case: Case, dtype: torch.dtype, last: bool) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Forward and backward: the operator and its arguments."""
    layout = torch.channels_last if last else torch.contiguous_format
    given = torch.randn(case.batch, case.given, case.pixels, case.pixels).to(dtype).contiguous(memory_format=layout)
    channels = (case.given, case.result) if case.transposed else (case.result, case.given)
    weight = torch.randn(channels[0], channels[1] // case.groups, case.kernel, case.kernel).to(dtype)
    padding = 0 if case.kernel % 2 == 0 else case.kernel // 2
    how = ([case.stride] * 2, [padding] * 2, [1, 1], case.transposed, [0, 0], case.groups)
    gradient = torch.randn_like(aten.convolution(given, weight, None, *how))
    return {
        "forward": (aten.convolution.default, (given, weight, None, *how)),
        "backward": (aten.convolution_backward.default, (gradient, given, weight, None, *how, [True, True, False])),
    }


def measured(run: Callable[[], Any]) -> int:
    run()
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        results = run()  # noqa: F841  they live on
    events = profile.profiler.kineto_results.events()
    living = list(
        accumulate(size for _, size in sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"))
    )
    return max(living) - living[-1]


def predicted(operator: Any, args: tuple[Any, ...]) -> int:
    results = operator(*args)
    outputs = tuple(results) if isinstance(results, tuple) else (results,)
    return borrowed(Call(operator, args, {}, outputs, "", NO_CALL, "forward"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    arguments = parser.parse_args()
    before, rows = machine(), []
    torch.set_num_threads(arguments.threads)
    for dtype in (torch.float32, torch.bfloat16):
        for last in (False, True):
            for case in CASES:
                cells = [case.told(), str(case.groups), str(dtype).removeprefix("torch."), "last" if last else "first"]
                for operator, args in calls(case, dtype, last).values():
                    found = measured(lambda operator=operator, args=args: operator(*args))  # type: ignore[misc]
                    said = predicted(operator, args)
                    ratio = f"{said / found:.2f}" if found else "–"
                    cells += [f"{said / KIB:,.0f}", f"{found / KIB:,.0f}", ratio]
                rows.append(cells)
    head = ["convolution", "groups", "type", "channels", "forward, predicted KiB", "measured KiB", "ratio",
            "backward, predicted KiB", "measured KiB", "ratio"]  # fmt: skip
    about = f"{before}; {arguments.threads} threads; {datetime.date.today()}; torch {torch.__version__}"
    page = [
        "# What a convolution borrows on a CPU",
        "",
        about,
        "",
        (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        "",
        table(head, rows),
    ]
    text = "\n".join(page) + "\n"
    print(text)
    if arguments.write:
        Path(__file__).with_name("results").joinpath(f"borrowed-{datetime.date.today()}.md").write_text(text)


if __name__ == "__main__":
    main()

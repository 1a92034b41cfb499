"""Plain and residual networks on the handwritten digits, three seeds each: the study that `results/` records.

python benchmarks/study.py --runs DIR --write   # goes on where it was stopped
"""

import argparse
import datetime
import re
from pathlib import Path

import striate
from striate.base.tables import markdown
from striate.report.study import networks
from striate.runs.study import Study, open_study

RESULTS = Path(__file__).parent / "results"
MODELS = ("lenet5", "resnet20", "plain20", "plain56", "resnet56")
# What the page's figure takes from its style sheet.
INKS = {"--ink": "#1b1d21", "--soft": "#5c636e", "--line": "#dcdfe4", "--first": "#1f5fb8", "--second": "#c2551a"}


def trained(runs: Path, epochs: int) -> Study:
    """The study in `runs`, begun or gone on with; as it is where it is done."""
    folder = runs / "digits-study-1"
    if not folder.exists():
        return striate.study("digits", models=MODELS, seeds=3, epochs=epochs, jobs=2, threads=1, runs=runs)
    study = open_study(folder)
    return study if study.result is not None else striate.study(resume=folder)


def figure(study: Study) -> str:
    """The page's first figure as a file of its own."""
    page = striate.write_report(study).read_text("utf-8")
    svg = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    assert svg is not None
    text = svg[0].replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ', 1
    )
    for name, colour in INKS.items():
        text = text.replace(f"var({name})", colour)
    return text.replace("<text", '<text font-family="sans-serif"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="into results/")
    asked = parser.parse_args()
    study = trained(asked.runs, asked.epochs)
    assert study.result is not None
    table = markdown(networks(study.result))
    told = "\n".join(f"- {each}" for each in study.told())
    epochs = study.asked.recipe["epochs"]
    name = f"study-{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    text = (
        f"# Five networks on the digits, three seeds each\n\n`python benchmarks/study.py --epochs {epochs}`: "
        f"{study.result.machine}; a thread for each training.\n\n{table}\n\n"
        f"![Validation accuracy over multiply-adds]({name}.svg)\n\n{told}\n"
    )
    print(text)
    if asked.write:
        (RESULTS / f"{name}.md").write_text(text)
        (RESULTS / f"{name}.svg").write_text(figure(study))


if __name__ == "__main__":
    main()

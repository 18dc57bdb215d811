"""What the measurements are made into: a table, `results/latest.json`, a plot and the page."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.works_0668 import OF_OWNER

from autogpt_db import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.server import Server

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs/reference/performance.md"
BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"

LABELS = {
    "autogpt_db": "autogpt-db",
    "pgbench": "pgbench (best of 8, 16, 64 clients)",
    "starlette": "Starlette + psycopg",
    "fastapi": "FastAPI + SQLAlchemy",
    "postgrest": "PostgREST",
}
ABSENT = "-"
"""Stands for what a contender cannot do."""
# Distinguishable without colours, too: by lightness.
COLOURS = {
    "autogpt_db": "#0b5394",
    "starlette": "#e69f00",
    "postgrest": "#8fbcbb",
    "fastapi": "#bfbfbf",
}


def machine(server: Server) -> dict[str, Any]:
    """Return where and when this is measured."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": __version__,
        "machine": {
            "processor": model,
            "cores": os.cpu_count(),
            "memory_gib": round(pages / 2**30),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "postgresql": server.version,
            "flush_ms": round(server.flush_milliseconds(), 3),
            "load_before": round(os.getloadavg()[0], 2),
        },
    }


def text(found: dict[str, Any]) -> str:
    """Return everything as Markdown tables, which read well on a terminal."""
    here = found["machine"]
    where = (
        f"Measured {found['measured']}, version {found['version']}: {here['cores']} cores "
        f"({here['processor']}), {here['memory_gib']} GiB, Linux {here['kernel']}, Python "
        f"{here['python']}, PostgreSQL {here['postgresql']}; a flush of 8 KiB takes "
        f"{here['flush_ms']:g} ms; load average before: {here['load_before']:g}. "
        f"{found['clients']} clients, {found['rounds']} rounds of {found['seconds']:g} s, "
        f"{found['node_executions']:,} node executions, {found['errors']} wrong replies."
    )
    parts = [where, *_main(found)]
    if "growth" in found:
        parts += _more(found)
    return "\n\n".join(parts)


def _main(found: dict[str, Any]) -> Iterable[str]:
    peers = [name for name in LABELS if name in next(iter(found["rates"].values()))]
    rates = found["rates"]
    yield "Calls a second, median of the rounds (least to most):"
    yield _table(
        ["", *(LABELS[name] for name in peers)],
        [[work, *(_spread(rates[work].get(name)) for name in peers)] for work in rates],
    )
    yield "autogpt-db to the others, ratio of medians:"
    others = [name for name in peers if name != "autogpt_db"]
    yield _table(
        ["", *(LABELS[name] for name in others)],
        [
            [work, *(_figure(found["ratios"].get(f"{work}/{name}")) for name in others)]
            for work in rates
        ],
    )
    if "fernet_us" in found:
        yield (
            f"To decrypt {OF_OWNER} credentials and do nothing else takes a processor "
            f"{found['fernet_us']:g} microseconds: at most {1e6 / found['fernet_us']:,.0f} calls of "
            "get_user_credentials a second. pgbench decrypts nothing."
        )
    yield f"Latency at {found['clients']} clients, 99th percentile, in milliseconds:"
    yield _latency(found["p99_ms"], peers)
    yield (
        "Processor time per call, in microseconds: the server's processes (all of the daemon's) / "
        "PostgreSQL's / the clients'; and calls per second of the server's:"
    )
    yield _table(
        ["", *(LABELS[name] for name in peers if name != "pgbench")],
        [
            [work, *(_processor(spent.get(name)) for name in peers if name != "pgbench")]
            for work, spent in found["processor"].items()
        ],
    )
    before, after = found["memory_mib"]["before"], found["memory_mib"]["after"]
    yield (
        f"Resident memory of the API process: {before['api']:g} MiB before, at most "
        f"{after['api_peak']:g} MiB, {after['api']:g} MiB after; all {after['processes']} "
        f"processes of the daemon: {before['all']:g} MiB before, {after['all']:g} MiB after."
    )


def _more(found: dict[str, Any]) -> Iterable[str]:
    works = list(found["rates"])
    yield "Fewer clients, ratio of medians:"
    few = {"1": found["ratios_1_client"], "8": found["ratios_8_clients"]}
    columns = [(clients, peer) for clients in few for peer in ("pgbench", "starlette")]
    yield _table(
        ["", *(f"{clients} client{'s' * (clients != '1')}, {peer}" for clients, peer in columns)],
        [
            [work, *(f"{few[clients][f'{work}/{peer}']:.2f}" for clients, peer in columns)]
            for work in works
        ],
    )
    yield "Latency at one client, median, in milliseconds:"
    yield _latency(found["p50_ms_1_client"], ["autogpt_db", "starlette"])
    yield (
        "Latency at a fixed load, half of what Starlette + psycopg can bear, median / 99th "
        "percentile, in milliseconds:"
    )
    yield _table(
        ["", "calls a second", "autogpt-db", "Starlette + psycopg"],
        [
            [
                work,
                f"{seen['calls_per_second']:,}",
                *(
                    f"{seen[name]['p50_ms']:.2f} / {seen[name]['p99_ms']:.2f}"
                    for name in ("autogpt_db", "starlette")
                ),
            ]
            for work, seen in found["moderate_load"].items()
        ],
    )
    yield "Two API processes to one, ratio of calls a second, clients and PostgreSQL on the same cores:"
    yield _table(
        list(found["two_processes_to_one"]),
        [[f"{ratio:.2f}" for ratio in found["two_processes_to_one"].values()]],
    )
    yield (
        "Growth with the database, one row per number of node executions (twice as many input and "
        "output rows): calls a second at 64 clients, and the median latency of one client in "
        "milliseconds:"
    )
    sizes = next(iter(found["growth"].values()))
    yield _table(
        ["", *works],
        [
            [
                f"{int(size):,}",
                *(
                    f"{found['growth'][work][size]['calls_per_second']:,}; "
                    f"{found['growth'][work][size]['p50_ms_1_client']:.2f}"
                    for work in works
                ),
            ]
            for size in sizes
        ],
    )


def _latency(seen: dict[str, dict[str, float]], names: list[str]) -> str:
    present = [name for name in names if name in next(iter(seen.values()))]
    return _table(
        ["", *(LABELS[name] for name in present)],
        [[work, *(_figure(of.get(name)) for name in present)] for work, of in seen.items()],
    )


def _figure(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def _spread(rate: dict[str, int] | None) -> str:
    if rate is None:
        return ABSENT
    return f"{rate['median']:,} ({rate['min']:,}–{rate['max']:,})"  # noqa: RUF001 - a range


def _processor(spent: dict[str, Any] | None) -> str:
    if spent is None:
        return ABSENT
    parts = " / ".join(f"{spent[f'{part}_us']:.0f}" for part in ("server", "postgresql", "clients"))
    return f"{parts}; {spent['calls_per_cpu_second'] or 0:,}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(map(str.ljust, cells, widths)) + " |"

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)])


def write(found: dict[str, Any]) -> None:
    """Write the results, the plot and the page anew."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(found, indent=2) + "\n")
    plot(found)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text(found)}\n\n{END}{after}")


def plot(found: dict[str, Any]) -> None:
    """Draw calls a second as shares of pgbench's, with the rounds' spread."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "autogpt-db"  # the same picture is the same file
    from matplotlib import pyplot as plt

    works = list(found["rates"])
    names = [name for name in COLOURS if name in found["rates"][works[0]]]
    height = 0.8 / len(names)
    figure, axes = plt.subplots(figsize=(9, 1.6 + 1.1 * len(works)))
    axes.axvline(1, color="black", lw=1, ls="--", zorder=0)
    for place, name in enumerate(names):
        for row, work in enumerate(works):
            if name not in found["rates"][work]:
                continue
            y = row + (place - (len(names) - 1) / 2) * height
            label = LABELS[name] if row == 0 else None
            _bar(axes, found, work, name, y, height=height * 0.9, label=label)
    axes.set_yticks(
        range(len(works)),
        [f"{work}\npgbench {found['rates'][work]['pgbench']['median']:,}/s" for work in works],
        fontsize=9,
    )
    axes.invert_yaxis()
    axes.set_xlim(0, axes.get_xlim()[1] * 1.12)
    axes.set_xlabel(
        f"calls a second / pgbench's best (dashed), {found['clients']} clients\n"
        f"bars: ratio of the medians of {found['rounds']} rounds; lines: least to most of a round",
        fontsize=9,
    )
    here = found["machine"]
    axes.set_title(
        f"{here['cores']} cores shared by clients, server and PostgreSQL {here['postgresql']}; "
        f"a flush takes {here['flush_ms']:g} ms",
        fontsize=9,
        pad=26,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=len(names), frameon=False, fontsize=8
    )
    figure.tight_layout()
    figure.savefig(RESULTS / "latest.png", dpi=150, metadata={"Software": None})
    figure.savefig(RESULTS / "latest.svg", metadata={"Date": None})
    plt.close(figure)


def _bar(
    axes: Any, found: dict[str, Any], work: str, name: str, y: float, *, height: float, label: Any
) -> None:
    rates = found["rates"][work]
    share = rates[name]["median"] / rates["pgbench"]["median"]
    to_pgbench = found["ratios_by_round"][f"{work}/pgbench"]
    if name == "autogpt_db":
        by_round = to_pgbench
    else:
        to_this = found["ratios_by_round"][f"{work}/{name}"]
        by_round = [ours / other for ours, other in zip(to_pgbench, to_this, strict=True)]
    axes.barh(y, share, height, color=COLOURS[name], label=label)
    axes.plot([min(by_round), max(by_round)], [y, y], color="black", lw=1)
    axes.annotate(
        f"{share:.2f}  ({rates[name]['median']:,}/s)",
        (max(share, *by_round), y),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )


if __name__ == "__main__":
    write(json.loads((RESULTS / "latest.json").read_text()))
    sys.exit(0)

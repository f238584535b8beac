"""What every test run needs: the choice of compiled or interpreted modules, and real peers."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.pure import prefer_sources
from tests.support.programs import missing

ROOT = Path(__file__).parent.parent
PACKAGES = ("sip", "pager", "presence", "session_msrp", "imsnode")
PURE = "IMSNODE_TESTS_PURE"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pure",
        action="store_true",
        help="run the interpreted sources even where compiled modules lie beside them",
    )


def _pure() -> bool:
    """Tell whether the interpreted sources are asked for, here or in the process that started us."""
    return "--pure" in sys.argv or os.environ.get(PURE) == "1"


# Before another conftest imports what is compiled.
if _pure():
    prefer_sources()

# How long an example takes says something about the machine.
settings.register_profile(
    "imsnode", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("imsnode")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--pure"):
        os.environ[PURE] = "1"  # for the processes that share the work
        if compiled := _compiled():
            raise pytest.UsageError(f"not interpreted: {compiled}")
    elif stale := _stale():
        raise pytest.UsageError(f"older when compiled than as source: {stale}; run make build")


def pytest_report_header(config: pytest.Config) -> str:
    count = sum(1 for package in PACKAGES for _ in (ROOT / package).rglob("*.so"))
    if config.getoption("--pure") or not count:
        return "imsnode: interpreted"
    return f"imsnode: {count} compiled modules"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("peer"):
        if gone := missing(mark.args):
            pytest.skip(gone)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nobody reads why a test was skipped, skipping it is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"must not be skipped here: {why}"
    return report


def _compiled() -> str:
    """Name the compiled modules of ours that are loaded."""
    ours = tuple(f"{package}." for package in PACKAGES)
    loaded = [
        name
        for name, module in sys.modules.items()
        if name.startswith(ours) and str(getattr(module, "__file__", "")).endswith(".so")
    ]
    return ", ".join(sorted(loaded))


def _stale() -> str:
    """Name the compiled modules whose source was changed since: the change would go untested."""
    found = []
    for package in PACKAGES:
        for compiled in (ROOT / package).rglob("*.so"):
            source = compiled.with_name(f"{compiled.name.partition('.')[0]}.py")
            if source.exists() and source.stat().st_mtime > compiled.stat().st_mtime:
                found.append(str(source.relative_to(ROOT)))
    return ", ".join(sorted(found))

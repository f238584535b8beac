"""Content rules: loading them, their budget, and the rule that comes with the node."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from imsnode.screening import ContentRules, RuleError, RuleSettings, load_rules
from imsnode.screening.words import WordRule
from pager.policy import Act
from pager.screening import Content

BUDGET_S = 0.02


def text(words: str, mime: str = "text/plain") -> Content:
    return Content("sip:a@ims.test", "sip:b@ims.test", mime, words.encode())


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def words(tmp_path: Path) -> WordRule:
    file = tmp_path / "words.txt"
    file.write_text("# not here\nCasino\n\nevil.test  # and all under it\n")
    return WordRule({"file": str(file)})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("the CASINO is open", "word on the list"),
        ("casinos are open", ""),
        ("see https://evil.test/x", "link to evil.test"),
        ("see HTTP://www.Evil.Test.", "link to www.evil.test"),
        ("see http://user@evil.test/", "link to evil.test"),
        ("see https://notevil.test/ and evil.test", ""),
        ("not here", ""),
    ],
)
def test_words_and_hosts(words: WordRule, said: str, why: str) -> None:
    assert words.judge(text(said)) == why
    assert words.judge(text(said, "image/png")) == ""


def test_a_host_of_very_many_labels_costs_no_more_than_a_name_may(words: WordRule) -> None:
    asked: list[str] = []

    class Hosts(frozenset[str]):
        def __contains__(self, host: object) -> bool:
            asked.append(str(host))
            return super().__contains__(host)

    words.hosts = Hosts(words.hosts)
    assert words.judge(text("http://" + "a." * 20_000 + "evil.test")) == "link to " + asked[0]
    assert sum(map(len, asked)) < 253 * 253


def test_the_rule_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="file=NAME"):
        load_rules([RuleSettings("w", "words", {})])
    with pytest.raises(RuleError, match="refuses its options"):
        load_rules([RuleSettings("w", "words", {"file": str(tmp_path / "none")})])


@pytest.mark.parametrize("uses", ["nothing-of-this-name", "no.such.module:X", f"{__name__}:X"])
def test_what_is_not_there(uses: str) -> None:
    with pytest.raises(RuleError, match="content rule w"):
        load_rules([RuleSettings("w", uses)])


class Backtracking:
    """A rule with an expression that takes for ever on the right text."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.pattern = re.compile(options["pattern"])

    def judge(self, content: Content) -> str:
        return "found" if self.pattern.match(content.text) else ""


def test_a_rule_that_takes_too_long_is_cut_off_and_rests() -> None:
    made = load_rules([RuleSettings("slow", f"{__name__}:Backtracking", {"pattern": "(a+)+$"})])
    content = ContentRules(made, BUDGET_S, strict=False)
    assert content.judge(["slow"], text("a" * 5), 0.0) is not None
    for failures in (1, 2, 3):
        assert content.judge(["slow"], text("a" * 64 + "b"), 0.0) is None
        assert content.failed == failures
    assert content.judge(["slow"], text("aaa"), 30.0) is None  # rests
    decision = content.judge(["slow"], text("aaa"), 60.0)
    assert decision is not None
    assert (decision.act, decision.status) == (Act.REFUSE, 403)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_what_could_not_be_judged_is_refused_where_the_operator_says_so() -> None:
    made = load_rules([RuleSettings("slow", f"{__name__}:Backtracking", {"pattern": "(a+)+$"})])
    strict = ContentRules(made, BUDGET_S, strict=True)
    decision = strict.judge(["slow"], text("a" * 64 + "b"), 0.0)
    assert decision is not None
    assert (decision.rule, decision.status) == ("content-rule-failed:slow", 503)


def test_a_reason_is_one_short_line() -> None:
    class Chatty:
        def judge(self, content: Content) -> str:
            return "a\nb\x1b" + "x" * 200

    decision = ContentRules({"c": Chatty()}, 0.0, strict=False).judge(["c"], text("hi"), 0.0)
    assert decision is not None
    assert decision.rule == "content-rule:c: a b " + "x" * 76

# SPDX-License-Identifier: Apache-2.0
"""The configuration file that `imsnode init` writes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from .problems import toml_value
from .reference import Setting, settings, tables

__all__ = ["render"]

_HEAD = """\
# Configuration of imsnode. What stands behind # is the default. Durations are seconds or text such
# as "4s", "30d"; sizes are octets or text such as "64KiB". Every setting can also come from a
# variable: IMSNODE_PAGER__DEFER_AFTER=2s. `imsnode config check` checks this file and
# `imsnode config explain KEY` tells more.
"""
#: Written out although they are defaults: what one looks for first.
_PLAIN = ("domains", "listen", "http.listen", "storage.url")


def render(domains: Sequence[str], others: Mapping[str, str] | None = None) -> str:
    """Write a complete file for `domains`: the main settings, and all others as comments.

    others: text values of settings that differ from the default, by dotted key.
    """
    given: dict[str, object] = {"domains": list(domains), **(others or {})}
    known = settings()
    parts = [_HEAD]
    parts += [_entry(s, given) for s in known if "." not in s.key]
    for name, purpose, listed in tables():
        inside = [s for s in known if s.key.startswith((f"{name}.", f"{name}[]."))]
        if listed:
            lines = [_comment(purpose), f"# [[{name}]]"]
            lines += [f"# {_word(s)} = {_example(s)}  # {s.description}" for s in inside]
            parts.append("\n".join(lines) + "\n")
        else:
            parts.append(f"{_comment(purpose)}\n[{name}]\n")
            parts += [_entry(s, given) for s in inside]
    return "\n".join(parts)


def _entry(setting: Setting, given: Mapping[str, object]) -> str:
    applied = "" if setting.apply == "live" else " Takes effect when the node starts."
    key = setting.key
    value = toml_value(given[key]) if key in given else setting.default
    mark = "" if key in _PLAIN or key in given else "# "
    return f"{_comment(setting.description + applied)}\n{mark}{_word(setting)} = {value}\n"


def _word(setting: Setting) -> str:
    return setting.key.rpartition(".")[2]


def _comment(text: str) -> str:
    return textwrap.fill(text, 98, initial_indent="# ", subsequent_indent="# ")


def _example(setting: Setting) -> str:
    """A value for what stands in a list of tables, so that it reads as an example."""
    examples = {
        "domain[].name": '"ims.test"',
        "domain[].store": '"first"',
        "domain[].algorithms": '["SHA-256", "MD5"]',
        "domain[].certificate": '"ims.test.pem"',
        "domain[].key": '"ims.test.key"',
        "domain[].history": '"none"',
        "domain[].carbons": "true",
        "domain[].large": '"refuse"',
        "domain[].block_answer": '"forbidden"',
        "domain[].strangers": '"one"',
        "domain[].watchers": '"allow"',
        "domain[].types": '["text/plain", "message/cpim"]',
        "domain[].message_size": '"8KiB"',
        "domain[].message_rate": "2.0",
        "domain[].message_burst": "10",
        "domain[].fan_out": "200",
        "domain[].new_recipients": "50",
        "domain[].rules": "[]",
        "listener[].address": '"tls:127.0.0.1:5061"',
        "listener[].algorithms": '["SHA-256"]',
        "listener[].client_certificates": '"require"',
        "peer[].name": '"upstream"',
        "peer[].address": '["192.0.2.0/24"]',
        "peer[].targets": '["udp:192.0.2.7:5060", "tcp:192.0.2.8:5060"]',
        "peer[].headers": '["out remove X-Internal", "in prefix Request-URI 0049 +49"]',
        "peer[].tls_name": '"sip.other.example"',
        "peer[].domains": '["other.example", "*.other.example"]',
        "peer[].numbers": '["+49", "+4930"]',
        "route[].domain": '"other.example"',
        "route[].next_hop": '"udp:192.0.2.7:5060"',
        "smsc[].name": '"centre"',
        "smsc[].address": '"192.0.2.9:2775"',
        "smsc[].system_id": '"imsnode"',
        "rule[].name": '"no-casinos"',
        "rule[].uses": '"words"',
        "rule[].file": '"words.txt"',
    }
    return examples.get(setting.key) or setting.default

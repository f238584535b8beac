# SPDX-License-Identifier: Apache-2.0
"""Who may see what of a presentity: common policy (RFC 4745) and presence rules (RFC 5025)."""

from .reader import parse_rules
from .ruleset import RuleSet, Step, Verdict
from .transformations import EVERYTHING, NOTHING, Transformations
from .view import apply

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "RuleSet",
    "Step",
    "Transformations",
    "Verdict",
    "apply",
    "parse_rules",
]

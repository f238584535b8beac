# SPDX-License-Identifier: Apache-2.0
"""Who may send what to whom: the wishes of users and the rules of domains, in memory."""

from __future__ import annotations

from .content import ContentRules, RuleError, RuleSettings, load_rules
from .policies import Policies

__all__ = ["ContentRules", "Policies", "RuleError", "RuleSettings", "load_rules"]

# SPDX-License-Identifier: Apache-2.0
"""org.openmobilealliance.pres-rules: the same for IMS terminals, with OMA's conditions."""

from __future__ import annotations

from typing import Final

from ..usage import Usage
from .pres_rules import COMMON_POLICY, PRES_RULES

__all__ = ["USAGE"]

USAGE: Final = Usage(
    "org.openmobilealliance.pres-rules",
    namespace=COMMON_POLICY,
    media_type="application/auth-policy+xml",
    root=f"{{{COMMON_POLICY}}}ruleset",
    understood=(PRES_RULES, "urn:oma:xml:xdm:common-policy", "urn:oma:xml:prs:pres-rules"),
)

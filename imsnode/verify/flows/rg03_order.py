# SPDX-License-Identifier: Apache-2.0
"""Which algorithm comes first."""

from __future__ import annotations

from sip.digest import parse_challenge

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect


@flow("RG-03", "RFC 8760 2.3, 2.4", suite=Suite.REGISTRAR)
async def strongest_first(lab: Lab) -> None:
    """Of several challenges the strongest comes first, all for one realm."""
    phone = await lab.phone(lab.alice)
    uri = f"sip:{lab.domain}"
    asked = await phone.once("REGISTER", uri.encode(), phone.head("REGISTER", lab.alice.aor))
    read = [parse_challenge(each) for each in asked.get_all("www-authenticate")]
    offered = [each for each in read if each is not None]
    applies(len(offered) > 1, "the server offers one algorithm")
    names = [each.algorithm for each in offered]
    expect(names == sorted(names, key=_ORDER.index), f"the order is {', '.join(names)}")
    expect(len({each.realm for each in offered}) == 1, "the challenges are for several realms")


_ORDER = ("SHA-512-256", "SHA-256", "AKAv2-SHA-256", "AKAv1-MD5", "MD5")

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'listen = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5060"]',
            'listen = "udp:127.0.0.1:5060": is there twice; remove one of them',
        ),
        (
            'listen = ["tcp:127.0.0.1:5060", "tls:127.0.0.1:5060"]',
            "listen: gives one port to TCP and to TLS; use another port for TLS",
        ),
        (
            '[http]\nlisten = "127.0.0.1:5060"',
            'http.listen = "127.0.0.1:5060": is also used by tcp:127.0.0.1:5060; use another port',
        ),
        (
            '[[domain]]\nname = "x.test"',
            'domain[0].name = "x.test": is not served; add it to domains or remove the table',
        ),
        (
            '[[listener]]\naddress = "udp:127.0.0.1:9"\nalgorithms = ["MD5"]',
            'listener[0].address = "udp:127.0.0.1:9": is not a listener; '
            "add it to listen or remove the table",
        ),
        (
            '[[route]]\ndomain = "ims.test"\nnext_hop = "udp:192.0.2.7:5060"',
            'route[0].domain = "ims.test": is served here; remove the route or the domain',
        ),
        (
            '[[peer]]\nname = "a"',
            "peer[0].address: is not set, and neither are targets; set one of them",
        ),
        (
            '[[peer]]\nname = "a"\naddress = "192.0.2.7"\nnumbers = ["+49 30"]',
            'peer[0].numbers = ["+4930"]: leads nowhere; add targets = ["udp:HOST:PORT"]',
        ),
        (
            '[[peer]]\nname = "a"\ntargets = ["udp:192.0.2.7:5060"]\ndomains = ["ims.test"]',
            'peer[0].domains = "ims.test": is served here; remove it here or from domains',
        ),
        (
            '[msrp]\nlisten = ["udp:127.0.0.1:2855"]',
            'msrp.listen = "udp:127.0.0.1:2855": is not for MSRP; write tcp: or tls:',
        ),
        ("[msrp]\nrelay = true", "msrp.relay = true: has no TLS listener; add tls: to msrp.listen"),
        (
            '[msrp]\nrelay_min_expires = "2h"',
            "msrp.relay_min_expires = 7200.0: is above relay_max_expires; lower it",
        ),
        (
            '[msrp]\nanchor = "nat"\nlisten = []',
            "msrp.listen = []: leaves sessions no way; name one",
        ),
        (
            '[msrp]\nanchor = "nat"\nlisten = ["tcp:127.0.0.1:5060"]',
            'msrp.listen = "tcp:127.0.0.1:5060": is used twice; use another port',
        ),
        (
            'domains = ["a.test", "A.TEST"]',
            'domains = "a.test": is there twice; remove one of them',
        ),
        (
            "[registrar]\nmin_expires = 900\ndefault_expires = 600",
            "registrar.min_expires = 900: is more than registrar.default_expires = 600; "
            "lower it or raise registrar.default_expires",
        ),
        (
            "[pager]\ndefer_after = 17",
            "pager.defer_after = 17: is not well inside the sender's Timer F (64 times timers.t1); "
            "use at most 16",
        ),
        (
            '[tls]\ncertificate = "a.pem"',
            "tls.key: is not set, but its counterpart is; set both or neither",
        ),
        (
            '[storage]\nurl = "mysql://h/x"',
            'storage.url = "mysql:...": is not known; '
            "use sqlite:///FILE or postgresql://USER@HOST/NAME",
        ),
        (
            '[storage]\nurl = "sqlite:///"',
            'storage.url = "sqlite:///": names no file; use sqlite:///imsnode.db',
        ),
    ],
)
def test_settings_that_are_wrong_together(
    refused: Callable[[str], list[str]], text: str, problem: str
) -> None:
    assert refused(text) == [problem]


def test_free_ports_may_be_asked_for_twice(loaded: Callable[[str], object]) -> None:
    loaded('listen = ["udp:127.0.0.1:0", "udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0"]')

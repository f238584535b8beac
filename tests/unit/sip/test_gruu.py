"""GRUUs as text: what is made is read again, and nothing else is (RFC 5627 5.4)."""

from __future__ import annotations

import pytest

from imsnode.seal import Seal
from sip.gruu import Gruus, device_of
from sip.registrar import Binding
from sip.uri import Uri, parse_uri

GRUUS = Gruus(Seal(b"k" * 64))
AOR = "sip:alice@ims.test"
INSTANCE = "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"


def binding(
    aor: str = AOR, call_id: bytes = b"one", cseq: int = 1, instance: str = INSTANCE
) -> Binding:
    return Binding(aor, b"sip:a@192.0.2.7", b"", 1000, 100.0, call_id, cseq, instance)


def temporary(one: Binding) -> Uri:
    return parse_uri(GRUUS.temporary(one))


def leads(uri: Uri, *bindings: Binding) -> str:
    gruu = GRUUS.read(uri)
    return "" if gruu is None else device_of(gruu, bindings)


def test_a_public_gruu_is_the_aor_with_the_instance() -> None:
    one = binding()
    text = GRUUS.public(one)
    assert text == b"sip:alice@ims.test;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    gruu = GRUUS.read(parse_uri(text))
    assert gruu is not None
    assert (gruu.aor, gruu.instance, gruu.temporary) == (AOR, INSTANCE, False)
    assert leads(parse_uri(text), binding(instance="<urn:x>"), one) == INSTANCE


@pytest.mark.parametrize("instance", ['<urn:x-"quoted;a=b">', "<\xe9>", "<a b>", "<100%>"])
def test_any_instance_fits(instance: str) -> None:
    one = binding(instance=instance)
    assert leads(parse_uri(GRUUS.public(one)), one) == instance
    assert leads(temporary(one), one) == instance


@pytest.mark.parametrize("aor", [AOR, "sip:alice@[2001:db8::1]", "sip:" + "a" * 80 + "@ims.test"])
def test_a_temporary_gruu_leads_home_and_tells_nothing(aor: str) -> None:
    one = binding(aor)
    uri = temporary(one)
    gruu = GRUUS.read(uri)
    assert gruu is not None
    assert (gruu.aor, gruu.instance, gruu.temporary) == (aor, "", True)
    assert leads(uri, one) == INSTANCE
    assert uri.user is not None
    assert b"alice" not in uri.user
    assert uri.param("gr") == b""


def test_every_register_makes_another_of_the_same_length() -> None:
    made = [
        GRUUS.temporary(binding(aor, cseq=cseq))
        for aor in (AOR, "sip:bo@ims.test")
        for cseq in (1, 2)
    ]
    assert len(set(made)) == 4
    assert len({len(one) for one in made}) == 1
    assert len({one[:24] for one in made}) == 4


def test_it_ends_with_the_registration() -> None:
    uri = temporary(binding())
    assert leads(uri, binding(cseq=9)) == INSTANCE
    assert leads(uri, binding(call_id=b"two")) == ""
    assert leads(uri, binding(instance="<urn:x>")) == ""
    assert leads(uri) == ""


def test_what_was_touched_is_none_of_ours() -> None:
    text = GRUUS.temporary(binding())
    at = len(b"sip:tgruu.") + 20
    other = b"A" if text[at : at + 1] != b"A" else b"B"
    forged = text[:at] + other + text[at + 1 :]
    for wrong in (
        forged,
        text.replace(b"ims.test", b"other.test"),
        b"sip:alice@ims.test;gr",
        b"sip:tgruu.@ims.test;gr",
        b"sip:tgruu.!!@ims.test;gr",
        b"sip:tgruu." + b"A" * 900 + b"@ims.test;gr",
        b"sip:alice@ims.test",
        b"sip:ims.test;gr=urn:x",
    ):
        assert GRUUS.read(parse_uri(wrong)) is None
    assert Gruus(Seal(b"x" * 64)).read(parse_uri(text)) is None


def test_only_devices_of_sip_users_get_one() -> None:
    assert GRUUS.params(binding(instance="")) == b""
    assert GRUUS.params(binding("tel:+491234")) == b""
    assert GRUUS.params(binding()).startswith(b';pub-gruu="sip:alice@ims.test;gr=urn:uuid:')

# SPDX-License-Identifier: Apache-2.0
"""Authentication and key agreement of 3GPP (TS 33.102), and digest on top of it.

Pure: chance, keys and the block cipher are arguments.
Spec: TS 35.205 to 35.208 (Milenage), TS 35.231 to 35.233 (TUAK), RFC 3310, RFC 4169.
"""

from __future__ import annotations

from .digest import (
    AKA_ALGORITHMS,
    AKA_V1_MD5,
    AKA_V2_MD5,
    AKA_V2_SHA_256,
    aka_nonce,
    aka_secret,
    is_one_time,
    split_nonce,
)
from .functions import AkaFunctions
from .milenage import BlockCipher, Milenage, milenage_opc
from .sequence import DELTA, SEQ_LIMIT, SequenceArray, sequence_of, sqn_of
from .tuak import Tuak, tuak_topc
from .usim import MacFailure, Usim, UsimAnswer
from .vector import AMF_RESYNC, Vector, make_vector, read_auts

__all__ = [
    "AKA_ALGORITHMS",
    "AKA_V1_MD5",
    "AKA_V2_MD5",
    "AKA_V2_SHA_256",
    "AMF_RESYNC",
    "DELTA",
    "SEQ_LIMIT",
    "AkaFunctions",
    "BlockCipher",
    "MacFailure",
    "Milenage",
    "SequenceArray",
    "Tuak",
    "Usim",
    "UsimAnswer",
    "Vector",
    "aka_nonce",
    "aka_secret",
    "is_one_time",
    "make_vector",
    "milenage_opc",
    "read_auts",
    "sequence_of",
    "split_nonce",
    "sqn_of",
    "tuak_topc",
]

# Types for the compiled form of offers.py; the interpreter never reads this file.

cimport cython

from sip cimport octets
from sip.digest.nonce cimport NonceSource
from sip.flow cimport Flow
from sip.message cimport Request

from .accounts cimport Account, Directory, LocalNames


cdef class Offers:
    cdef tuple _default
    cdef Directory _directory
    cdef dict _frames
    cdef LocalNames _names
    cdef NonceSource _nonces
    cdef dict _realms
    cdef object _settings

    @cython.locals(
        account=Account, offer=tuple, known=dict, frames=tuple, nonce=bytes, head=bytes, tail=bytes
    )
    cpdef tuple challenges(
        self, Request request, Flow flow, double wall, str realm, int status, bint stale
    )
    cpdef tuple algorithms(self, Account account, str realm, Flow flow)

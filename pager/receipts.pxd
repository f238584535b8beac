# Types for the compiled form of receipts.py; the interpreter never reads this file.

cimport cython

from sip.bodies.imdn_request cimport Glance, glance
from sip.bodies.mediatype cimport is_cpim
from sip.message cimport Request

from .contents cimport notice_of, read_notice, stored_notice
from .submission cimport Submission
from .values cimport LedgerEntry, Notice, StoredMessage


cdef class Receipts:
    cdef object _aor_of
    cdef object _bindings
    cdef object _clock
    cdef object _displayed
    cdef bytes _key
    cdef object _known
    cdef object _ledger
    cdef object _send
    cdef public bint record_route
    cdef public object tallies

    @cython.locals(request=Request, content_type=bytes, notice=Notice, seen=Glance, ordinary=bint)
    cpdef examine(self, Submission submission, bint network)
    @cython.locals(notice=Notice)
    cpdef answered(self, Submission submission, double now)
    cpdef concluded(self, StoredMessage message, str device, int status, bint final, double now)
    cdef _failed(self, str sender, str recipient, bytes head, bytes body)


@cython.locals(bare=bytes)
cdef bint _is_plainly_from(Glance seen, str sender) except -1

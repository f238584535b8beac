# Types for the compiled form of submission.py; the interpreter never reads this file.

from sip.message cimport Request, Response
from sip.proxy cimport Branch, Fork

from .shared cimport Shared
from .values cimport LedgerEntry, StoredMessage


cdef class Keeping:
    cdef public Fork fork
    cdef public object item
    cdef public StoredMessage message
    cdef public Response response
    cdef public str rule


cdef class Submission:
    cdef public object answering
    cdef public double at
    cdef public bint begun
    cdef public bytes call_id
    cdef public long long cseq
    cdef public bytes from_tag
    cdef public str id
    cdef public Keeping keeping
    cdef public bint local
    cdef public object others
    cdef public Shared pager
    cdef public int phase
    cdef public str recipient
    cdef public Request request
    cdef public str sender
    cdef public double started
    cdef public int status
    cdef public dict times
    cdef public list twins

    cpdef on_branch(self, Fork fork, Branch branch, double now)
    cpdef on_final(self, Fork fork, Response response, int status, double now)

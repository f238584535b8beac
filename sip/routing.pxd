# Types for the compiled form of routing.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .flow cimport Flow
from .message cimport Request
from .uri cimport Uri


cdef class Refusal:
    cdef public object lines
    cdef public bytes reason
    cdef public int status


cdef class OwnNames:
    cdef set _addresses
    cdef frozenset _domains

    cpdef bint is_own_address(self, str host, int port) except -1


cdef class Routed:
    cdef public bint by_path
    cdef public str device
    cdef public bint dialog_proven
    cdef public Flow flow
    cdef public Refusal refusal
    cdef public list routes
    cdef public bytes uri
    cdef public str waking


cpdef Routed preprocess(
    Request request, Flow flow, OwnNames own, object tokens, object flows, double now
)
@cython.locals(routed=Routed)
cdef Routed _unrouted(bytes uri)
cpdef Refusal check(Request request, OwnNames own, object understood=*)
@cython.locals(mark="unsigned int")
cpdef bytes loop_mark(Request request)
cdef unsigned int _WORD
cdef unsigned int _mixed(unsigned int mark, bytes text) noexcept

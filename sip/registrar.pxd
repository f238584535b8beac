# Types for the compiled form of registrar.py; the interpreter never reads this file.

from .flow cimport Flow
from .headers.address cimport Address
from .message cimport Request
from .uri cimport Uri, parse_uri


cdef class Binding:
    cdef public str aor
    cdef public bytes call_id
    cdef public bytes contact
    cdef public long long cseq
    cdef public double expires_at
    cdef public Flow flow
    cdef public str instance
    cdef public bytes params
    cdef public tuple path
    cdef public int q
    cdef public tuple received
    cdef public long long reg_id
    cdef public bint secure
    cdef public bytes user_agent

    cpdef bytes line(self, double now)


cdef class Registration:
    cdef public str aor
    cdef public tuple bindings
    cdef public bint changed
    cdef public tuple path
    cdef public tuple removed
    cdef public tuple updated


cdef class _Plan:
    cdef public str aor
    cdef public long long default_s
    cdef public Flow flow
    cdef public object limits
    cdef public list live
    cdef public double now
    cdef public tuple path
    cdef public tuple received
    cdef public list removed
    cdef public Request request
    cdef public list updated
    cdef public bytes user_agent

    cdef apply(self, Address contact, object allowed)
    cdef Registration result(self)
    cdef list _find(self, Uri uri, str instance, long long reg_id)
    cdef _replace(self, list old, Binding new)
    cdef _check(self, Uri uri, object allowed)


cpdef long long _seconds(bytes value, long long default) except -1

# Types for the compiled form of binding_codec.py; the interpreter never reads this file.

cimport cython

from sip cimport octets
from sip.registrar cimport Binding


cdef class AorState:
    cdef public object bindings
    cdef public object devices


@cython.locals(
    binding=Binding,
    data=bytes,
    device=str,
    expires_ms=cython.longlong,
    host=str,
    numbers=list,
    offset=double,
    parts=list,
    path=tuple,
    port=cython.longlong,
    seen_ms=cython.longlong,
    transport=str,
)
cpdef bytes encode_state(AorState state, double now, double wall)
@cython.locals(expires_ms=cython.longlong)
cpdef tuple renewal_of(Binding binding, double now, double wall)
cpdef bint is_renewal(bytes data) except -1

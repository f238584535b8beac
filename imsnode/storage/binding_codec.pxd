# Types for the compiled form of binding_codec.py; the interpreter never reads this file.

cimport cython

from sip.registrar cimport Binding


cdef class AorState:
    cdef public object bindings
    cdef public object devices


@cython.locals(
    binding=Binding,
    data=bytes,
    expires_ms=cython.longlong,
    lines=Py_ssize_t,
    offset=double,
    parts=list,
    path=tuple,
    seen_ms=cython.longlong,
    text=str,
)
cpdef bytes encode_state(AorState state, double now, double wall)

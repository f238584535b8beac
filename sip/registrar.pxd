# Types for the compiled form of registrar.py; the interpreter never reads this file.

cimport cython

from . cimport octets
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

    @cython.locals(new=Binding)
    cpdef Binding renewed(self, double expires_at, bytes call_id, long long cseq, bint secure)
    @cython.locals(left=double, seconds=cython.longlong, front=bytes)
    cpdef bytes line(self, double now)


cdef class RegistrarLimits:
    cdef public long long default_s
    cdef public long long max_bindings
    cdef public long long max_s
    cdef public long long min_s


cdef class Registration:
    cdef public str aor
    cdef public tuple bindings
    cdef public bint changed
    cdef public bint outbound
    cdef public tuple path
    cdef public tuple removed
    cdef public tuple updated


cdef class _Plan:
    cdef public str aor
    cdef public long long default_s
    cdef public Flow flow
    cdef public int flows
    cdef public RegistrarLimits limits
    cdef public list live
    cdef public int lived
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
    cdef bint _first_hop_keeps(self) except -1


cdef class _Decimal:
    cdef public long long number
    cdef public bytes text


cdef class _DateLine:
    cdef public bytes line
    cdef public long long second


cdef _DateLine _date
cdef _Decimal _last_decimal
cdef long long _MOST
cdef bytes _decimal(long long number)
@cython.locals(second=cython.longlong)
cpdef bytes date_line(double wall)
@cython.locals(seconds=cython.longlong)
cpdef long long _seconds(bytes value, long long default) except -1
cdef bytes _shared(bytes user_agent)
cpdef bint supports(Request request, bytes tag) except -1
@cython.locals(asked=cython.longlong)
cdef Binding _renew(Request request, Binding binding, Flow flow, double now, RegistrarLimits limits)
@cython.locals(
    contact=bytes, params=bytes, expires=bytes, start=Py_ssize_t, stop=Py_ssize_t
)
cdef long long _asked_again(
    Request request, Binding binding, bytes value, RegistrarLimits limits
) except -2
@cython.locals(live=list, binding=Binding, renewed=Binding, plan=_Plan)
cpdef Registration plan_register(
    Request request,
    str aor,
    object current,
    Flow flow,
    double now,
    RegistrarLimits limits=*,
    object contact_allowed=*,
    bint path_trusted=*,
)
@cython.locals(lines=list, binding=Binding)
cpdef list register_response_lines(Registration registration, double now, double wall)

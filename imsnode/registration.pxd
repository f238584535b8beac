# Types for the compiled form of registration.py; the interpreter never reads this file.

cimport cython

from sip.endpoint cimport Endpoint
from sip.flow cimport Flow
from sip.message cimport Request
from sip.registrar cimport (
    Binding,
    RegistrarLimits,
    Registration,
    plan_register,
    register_response_lines,
    supports,
)
from sip.transaction.server cimport ServerTransaction

from .location cimport AorRecord, Location


cdef class Words:
    cdef public object gruus
    cdef public object identities
    cdef bytes _route
    cdef bytes _timer

    cpdef list lines(self, Request request, Registration plan, double now, double wall)


@cython.locals(binding=Binding)
cdef bint _has_device(Registration plan) except -1


cdef class Registrar:
    cdef public long long accepted
    cdef public object clock
    cdef public object contact_allowed
    cdef public Endpoint endpoint
    cdef public long long failed
    cdef public RegistrarLimits limits
    cdef public Location location
    cdef public long long refused
    cdef public object push
    cdef public object registered
    cdef public object retry_after
    cdef public Words words

    cpdef register(
        self, Request request, Flow flow, str aor, bint trusted, double now, double wall
    )


cdef class Change:
    cdef public str aor
    cdef public double at
    cdef public Flow flow
    cdef public Registration plan
    cdef public AorRecord record
    cdef public Registrar registrar
    cdef public Request request
    cdef public ServerTransaction transaction
    cdef public bint trusted

    cpdef resume(self, double now)
    @cython.locals(registrar=Registrar, location=Location, record=AorRecord, plan=Registration)
    cpdef begin(self, double now, double wall)
    @cython.locals(registrar=Registrar, record=AorRecord, plan=Registration, now=double, wall=double)
    cpdef committed(self, bint durable)
    @cython.locals(registrar=Registrar)
    cpdef answer(self, Registration plan, double planned_at, double now, double wall)

# Types for the compiled form of location.py; the interpreter never reads this file.

cimport cython

from sip.flow cimport Flow
from sip.forward cimport Target
from sip.registrar cimport Binding
from sip.timers cimport TimerQueue

from .storage.binding_codec cimport AorState


cdef class AorRecord:
    cdef public dict absent
    cdef public str aor
    cdef public tuple bindings
    cdef public bint busy
    cdef public double checked_at
    cdef public Location owner
    cdef public bint renewable
    cdef public list targets
    cdef public list waiting

    cpdef on_timer(self, int kind, double now)


cdef class Location:
    cdef public long long binding_count
    cdef public double device_memory_s
    cdef public object also, asleep, elsewhere
    cdef public dict hosts
    cdef public Py_ssize_t max_devices
    cdef public object moved
    cdef public object journal
    cdef public dict records
    cdef public TimerQueue timers
    cdef public object transport
    cdef public object wall

    @cython.locals(record=AorRecord, targets=list, target=Target, binding=Binding)
    cpdef targets(self, str aor, double now)
    cpdef str device_of(self, Target target)
    @cython.locals(record=AorRecord)
    cpdef AorRecord claim(self, str aor, object again)
    @cython.locals(record=AorRecord)
    cpdef Py_ssize_t waiting(self, str aor) except -1
    @cython.locals(devices=dict, binding=Binding)
    cpdef commit(self, AorRecord record, tuple bindings, double now, double wall, object done)
    cpdef apply(self, AorRecord record, tuple bindings, double now, double wall)
    @cython.locals(record=AorRecord)
    cpdef tuple absent_devices(self, str aor, double now)
    cpdef release(self, AorRecord record, double now)
    @cython.locals(old=tuple, first=double, binding=Binding)
    cdef _place(self, AorRecord record, tuple bindings, double now)
    cdef _count_hosts(self, tuple old, tuple new)


@cython.locals(a=Binding, b=Binding)
cdef bint _is_refresh(tuple old, tuple new) except -1
@cython.locals(a=Binding, b=Binding)
cdef bint _same_device(tuple old, tuple new) except -1

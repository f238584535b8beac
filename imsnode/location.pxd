# Types for the compiled form of location.py; the interpreter never reads this file.

from sip.flow cimport Flow
from sip.forward cimport Target
from sip.registrar cimport Binding
from sip.timers cimport TimerQueue


cdef class AorRecord:
    cdef public dict absent
    cdef public str aor
    cdef public tuple bindings
    cdef public bint busy
    cdef public double checked_at
    cdef public Location owner
    cdef public list targets
    cdef public list waiting

    cpdef on_timer(self, int kind, double now)


cdef class Location:
    cdef public long long binding_count
    cdef public double device_memory_s
    cdef public dict hosts
    cdef public object journal
    cdef public dict records
    cdef public TimerQueue timers
    cdef public object transport
    cdef public object wall

    cpdef targets(self, str aor, double now)
    cpdef str device_of(self, Target target)
    cpdef release(self, AorRecord record, double now)

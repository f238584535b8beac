# Types for the compiled form of timers.py; the interpreter never reads this file.

cdef class Lane:
    cdef public double delay
    cdef public object entries

    cpdef push(self, double now, object target, int kind)


cdef class _Bucket:
    cdef bint closed
    cdef public object owner
    cdef public list keys

    cpdef on_timer(self, int kind, double now)


cdef class KeyLane:
    cdef _Bucket _bucket
    cdef int _kind
    cdef Lane _lane
    cdef object _owner
    cdef double _slack
    cdef double _until

    cpdef add(self, double now, bytes key)


cdef class TimerQueue:
    cdef list _heap
    cdef dict _lanes
    cdef list _order
    cdef long long _sequence

    cpdef schedule(self, double at, object target, int kind)
    cpdef next_deadline(self)
    cpdef list pop_due(self, double now, int limit=*)

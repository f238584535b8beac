# Types for the compiled form of rates.py; the interpreter never reads this file.

cimport cython


cdef class Buckets:
    cdef double _full_s
    cdef double _horizon_s
    cdef double _interval_s
    cdef dict _new
    cdef dict _old
    cdef long long _places
    cdef double _turn_at

    cpdef double take(self, str key, double now) except -1.0


cdef class SourceLimiter:
    cdef dict _bans
    cdef Buckets _buckets
    cdef list _exempt
    cdef dict _keys
    cdef object _on_ban
    cdef object _peers
    cdef object _settings
    cdef public long long dropped

    cpdef bint allow(self, str host, double now) except -1
    cdef bint _banned(self, str key, double now) except -1
    cdef str _key(self, str host)


cdef class UserLimiter:
    cdef dict _buckets

    @cython.locals(buckets=Buckets)
    cpdef double allow(self, str method, str aor, double now) except -1.0

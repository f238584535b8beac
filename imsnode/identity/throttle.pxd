# Types for the compiled form of throttle.py; the interpreter never reads this file.


cdef class FailureThrottle:
    cdef object _friends
    cdef object _sources
    cdef object _users
    cdef public bint idle

    cpdef double delay(self, str source, str user, double now) except -1.0
    cpdef failed(self, str source, str user, double now)
    cpdef succeeded(self, str source, str user)
    cdef bint _is_friend(self, str source, str user) except -1

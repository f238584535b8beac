# Types for the compiled form of throttle.py; the interpreter never reads this file.


cimport cython

cdef Py_ssize_t _FRIENDS


cdef class FailureThrottle:
    cdef object _friends
    cdef object _sources
    cdef object _users
    cdef public bint idle

    cpdef double delay(self, str source, str user, double now) except -1.0
    cpdef failed(self, str source, str user, double now)
    @cython.locals(mark=Py_ssize_t)
    cpdef succeeded(self, str source, str user)
    @cython.locals(mark=Py_ssize_t, known=Py_ssize_t)
    cdef bint _is_friend(self, str source, str user) except -1

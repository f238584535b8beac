# Types for the compiled form of nonce.py; the interpreter never reads this file.

cimport cython

cdef Py_ssize_t _BLOCK
cdef bytes _DIGITS
cdef Py_ssize_t _HEAD
cdef Py_ssize_t _SIZE
cdef double _SKEW_S


cdef class NonceSource:
    cdef dict _blocks
    cdef long long _made
    cdef list _ready
    cdef bytes _realm
    cdef long long _second
    cdef bytes _secret
    cdef object _start
    cdef dict _states
    cdef public double lifetime_s

    cpdef bytes make(self, double wall, bytes realm)
    @cython.locals(place=Py_ssize_t, first=bytes, block=list, known=list, age=double)
    cpdef int check(self, bytes nonce, bytes realm, double wall) except -1
    cpdef bint of_another_run(self, bytes nonce, double wall) except -1
    cpdef sequence(self, bytes nonce)
    @cython.locals(block=list)
    cdef _prepare(self, long long second, bytes realm)
    @cython.locals(macs=bytes, front=bytes, place=Py_ssize_t, digit=Py_ssize_t)
    cdef list _block(self, bytes first, bytes realm)


cdef class NonceCounter:
    cdef object _counts
    cdef object _mask
    cdef object _numbers

    @cython.locals(used=object)
    cpdef bint claim(self, object sequence, object count) except -1

# Types for the compiled form of nonce.py; the interpreter never reads this file.

cimport cython
from libc.stdint cimport uint64_t

from .. cimport octets

cdef uint64_t _BLOCK
cdef bytes _DIGITS
cdef uint64_t _HALF
cdef Py_ssize_t _HEAD
cdef uint64_t _LAST
cdef uint64_t _MASK
cdef Py_ssize_t _SIZE
cdef double _SKEW_S
cdef Py_ssize_t _TAGS


cdef class NonceSource:
    cdef list _last
    cdef uint64_t _made
    cdef bytes _realm
    cdef list _realms
    cdef long long _second
    cdef bytes _secret
    cdef uint64_t _start
    cdef dict _states
    cdef dict _tags
    cdef public double lifetime_s

    @cython.locals(second=cython.longlong, number=uint64_t)
    cpdef bytes make(self, double wall, bytes realm, str source=*)
    @cython.locals(
        second=cython.longlong, number=uint64_t, place=uint64_t, ours=bint, expected=bytes,
        age=double,
    )
    cpdef int check(self, bytes nonce, bytes realm, double wall, str source=*) except -1
    cpdef bint of_another_run(self, bytes nonce, double wall) except -1
    @cython.locals(front=uint64_t)
    cpdef uint64_t sequence(self, bytes nonce) except? 0
    @cython.locals(tag=uint64_t, high=uint64_t, low=uint64_t)
    cdef bytes _bound(self, bytes nonce, str source)
    cdef uint64_t _tag(self, str source) except? 0
    @cython.locals(block=list, place=uint64_t)
    cdef _prepare(self, uint64_t number, long long second, bytes realm)
    @cython.locals(head=bytes, macs=bytes, front=bytes, place=Py_ssize_t, digit=Py_ssize_t)
    cdef list _block(self, uint64_t first, long long second, bytes realm)


cdef class NonceCounter:
    cdef object _counts
    cdef uint64_t _mask
    cdef object _numbers

    @cython.locals(slot=Py_ssize_t, used=cython.longlong, known=uint64_t)
    cpdef bint claim(self, uint64_t sequence, long long count) except -1

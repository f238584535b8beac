# Types for the compiled form of policy.py; the interpreter never reads this file.

cdef class Storable:
    cdef public object mode
    cdef public bint composing
    cdef public bint expired
    cdef public bint full
    cdef public bint aimed


cpdef int class_of(int status) except -1
cpdef object keep(Storable facts, str rule)
cpdef object on_arrival(Storable facts, Py_ssize_t bound, Py_ssize_t free)
cpdef object on_final(Storable facts, int status, bint real)
cpdef object on_patience(Storable facts)

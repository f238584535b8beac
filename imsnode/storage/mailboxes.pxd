# Types for the compiled form of mailboxes.py; the interpreter never reads this file.

cimport cython

from pager.values cimport StoredMessage, StoreResult


cdef class StoreLane:
    cdef object _claim
    cdef object _id
    cdef object _insert
    cdef long long _next
    cdef object _owner
    cdef object _remind

    @cython.locals(first=cython.longlong, seq=cython.longlong, m=StoredMessage, claims=list)
    cpdef list execute(self, object connection, object items)
    @cython.locals(
        values=list, deadlines=dict, seq=cython.longlong, m=StoredMessage, neighbours=cython.longlong
    )
    cdef _keep(self, object connection, list numbered)


cdef str _join(tuple names)

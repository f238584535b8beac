# Types for the compiled form of mailboxes.py; the interpreter never reads this file.

cimport cython

from pager.values cimport StoredMessage, StoreResult


cdef class StoreLane:
    cdef object _behind
    cdef object _claim
    cdef object _entries
    cdef object _heard
    cdef object _id
    cdef object _insert
    cdef long long _next
    cdef object _owner
    cdef object _remind
    cdef public object unheard

    @cython.locals(first=cython.longlong, seq=cython.longlong, m=StoredMessage, copies=list)
    cpdef list execute(self, object connection, object items)
    @cython.locals(
        values=list,
        deadlines=dict,
        seq=cython.longlong,
        m=StoredMessage,
        neighbours=cython.longlong,
        reminders=list,
    )
    cdef _keep(self, object connection, list numbered, long long without)


cdef str _join(tuple names)

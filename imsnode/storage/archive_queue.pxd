# Types for the compiled form of archive_queue.py; the interpreter never reads this file.

cimport cython


cdef class ArchiveQueue:
    cdef public Py_ssize_t limit
    cdef public long long octets_limit
    cdef public object rouse
    cdef public object _stats
    cdef public list _queue
    cdef long long _octets_in, _octets_out

    @cython.locals(queue=list, waiting=Py_ssize_t, octets=cython.longlong, body=bytes)
    cpdef note(self, tuple noted)
    cpdef displayed(self, str author, str reader, bytes imdn_id)
    cpdef taken_back(self, str message_id, str recipient)
    cpdef Py_ssize_t queued(self) except -1
    cpdef list take(self)

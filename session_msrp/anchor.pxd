# Types for the compiled form of anchor.py; the interpreter never reads this file.

cimport cython

from sip cimport octets

from .chunk cimport Chunk


cdef bytes _INITIALS


cdef class Leg:
    cdef public bytes answer_paths
    cdef public Py_ssize_t chunks
    cdef public bint connects
    cdef public bytes fingerprint
    cdef public bytes first
    cdef public tuple key
    cdef public object link
    cdef public long long octets
    cdef public Leg other
    cdef public bytes own
    cdef public bytes path
    cdef public bytes paths
    cdef public dict pieces
    cdef public bytes refused
    cdef public Stream stream
    cdef public object tap
    cdef public object target
    cdef public object uri
    cdef public list waiting
    cdef public Py_ssize_t waiting_bytes

    cpdef bint write(self, data) except -1


cdef class Stream:
    cdef public Leg callee
    cdef public Leg caller
    cdef public str ended
    cdef public object owner
    cdef public double used


cdef class AnchorStats:
    cdef public long long chunks
    cdef public long long octets
    cdef public long long refused
    cdef public long long streams


cdef class Anchor:
    cdef dict _by_key
    cdef dict _by_own
    cdef object _connect
    cdef object _hold
    cdef object _limits
    cdef object _new_tid
    cdef public AnchorStats stats
    cdef public set streams

    @cython.locals(leg=Leg, other=Leg, stats=AnchorStats, raw=bytes, start=bytes, whole=bytes)
    cpdef bint receive(self, Chunk chunk, link, double now) except -1
    cdef _send(self, Leg leg, data, source)
    cdef _send_large(self, Leg leg, bytes head, body, bytes end, source)
    cdef Leg _find(self, Chunk chunk)
    cdef bint _may_bind(self, Leg leg, Chunk chunk, link) except -1
    @cython.locals(
        other=Leg, tid=bytes, raw=bytes, first=Py_ssize_t, rest=bytes, start=bytes, end=Py_ssize_t
    )
    cdef _pass_answer(self, Leg leg, Chunk chunk)
    @cython.locals(other=Leg, tid=bytes, flag=bytes, head=bytes)
    cdef _pass_piece(self, Leg leg, Chunk chunk, link)
    cpdef refuse(self, Chunk chunk, link, int status)


@cython.locals(line=bytes)
cdef bint _may_pass(Chunk chunk) except -1
@cython.locals(slash=Py_ssize_t, size=cython.longlong)
cdef bint _is_whole(bytes line) except -1

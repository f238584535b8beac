# Types for the compiled form of message.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .headers.layout cimport Layout
from .headers.via cimport Via
from .uri cimport Uri


cdef dict _STATUS_LINES
cdef tuple _MAX_FORWARDS


cdef class Message:
    cdef public object _contacts
    cdef public bint _folded
    cdef public object _from
    cdef public Layout _layout
    cdef public list _routes
    cdef public object _to
    cdef public list _values
    cdef public bytes _via_rest
    cdef public bytes body
    cdef public bytes call_id
    cdef public long long cseq
    cdef public bytes from_tag
    cdef public Uri from_uri
    cdef public list lines
    cdef public str method
    cdef public tuple names
    cdef public bytes to_tag
    cdef public Uri to_uri
    cdef public Via via
    cdef public int via_count

    @cython.locals(line=bytes, value=bytes)
    cdef bytes _value(self, Py_ssize_t at)
    cpdef bint has(self, str name) except -1
    cpdef bint repeats(self, str name) except -1
    cpdef bytes get(self, str name)


cdef class Request(Message):
    cdef public Uri _ruri
    cdef public bytes _top_via
    cdef public bint is_text
    cdef public int max_forwards
    cdef public str received_host
    cdef public int received_port
    cdef public bytes uri

    cpdef Uri ruri(self)
    cpdef bytes top_via_line(self)


cdef class Response(Message):
    cdef public bytes reason
    cdef public bytes start
    cdef public int status


cpdef bytes unfold(bytes line)
cpdef bytes trim(bytes value)
cpdef bytes status_line(int status, bytes reason)
cdef bytes _harmless(bytes text)
@cython.locals(lines=list, layout=Layout, parts=list, to_line=bytes)
cpdef bytes build_response(
    Request request,
    int status,
    bytes reason=*,
    object extra=*,
    bytes body=*,
    bytes content_type=*,
    bytes to_tag=*,
    bint record_route=*,
)
@cython.locals(layout=Layout, start=bytes, parts=list, added=list)
cpdef bytes forward_request(
    Request request,
    bytes uri,
    bytes via_line,
    int max_forwards,
    object routes=*,
    frozenset drop=*,
    bytes record_route=*,
    object extra=*,
)
@cython.locals(places=dict, names=tuple, kept=list, at=Py_ssize_t)
cdef list _without(list parts, Layout layout, frozenset drop)
@cython.locals(layout=Layout, parts=list)
cpdef bytes forward_response(Response response)

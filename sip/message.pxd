# Types for the compiled form of message.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .headers.address cimport parse_addresses, parse_contacts
from .headers.layout cimport Layout
from .headers.via cimport Via, copy_via, source_text
from .octets cimport Marks
from .uri cimport Uri


cdef dict _STATUS_LINES
cdef tuple _MAX_FORWARDS


cdef class Message:
    cdef public object _contacts
    cdef public list _lines
    cdef Marks _marks
    cdef public bytes _text
    cdef public Via _via
    cdef public bytes branch
    cdef public Via hop
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
    cdef public str method
    cdef public tuple names
    cdef public bytes to_tag
    cdef public Uri to_uri
    cdef public int via_count

    cdef _clear(self)
    @cython.locals(at=Py_ssize_t)
    cdef list _cut_lines(self)
    @cython.locals(lines=list, text="const char*")
    cpdef bytes line_at(self, Py_ssize_t at)
    @cython.locals(via=Via, at=Py_ssize_t)
    cdef Via _top(self)
    @cython.locals(cut=Py_ssize_t, lines=list, value=bytes)
    cdef bytes _value(self, Py_ssize_t at)
    cpdef bint has(self, str name) except -1
    cpdef bint is_steered(self) except -1
    cpdef bint is_inner(self) except -1
    cpdef bint repeats(self, str name) except -1
    cpdef bytes get(self, str name)
    cpdef list get_all(self, str name)
    cpdef contacts(self)


cdef class Request(Message):
    cdef public Uri _ruri
    cdef public bytes _top_via
    cdef public bint is_text
    cdef public int max_forwards
    cdef public str received_host
    cdef public int received_port
    cdef public bytes uri

    cdef _begin(self)
    cpdef Uri ruri(self)
    cpdef bytes top_via_line(self)
    @cython.locals(size=Py_ssize_t, line=bytes)
    cpdef Py_ssize_t size(self) except -1
    @cython.locals(
        text=bytes, at=Py_ssize_t, cut=Py_ssize_t, start=Py_ssize_t, stop=Py_ssize_t,
        end=Py_ssize_t, source=bytes,
    )
    cdef bytes _stamped_line(self)


cdef class Response(Message):
    cdef public bytes reason
    cdef public bytes start
    cdef public int status


cpdef bytes unfold(bytes line)
cpdef bytes trim(bytes value)
cpdef bytes status_line(int status, bytes reason)
cdef bytes _harmless(bytes text)
@cython.locals(layout=Layout, parts=list, to_line=bytes)
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
@cython.locals(
    text=bytes, layout=Layout, method_end=Py_ssize_t, front=bytes, more=bytes, line=bytes,
    empty_line=Py_ssize_t,
)
cdef bytes _respell(Request request, bytes uri, bytes via_line, int max_forwards, object extra)
@cython.locals(places=dict)
cdef bint _has_any(Layout layout, frozenset names) except -1
@cython.locals(names=tuple, kept=list, at=Py_ssize_t)
cdef list _without(list parts, Layout layout, frozenset drop)
@cython.locals(layout=Layout, parts=list, at=Py_ssize_t, stop=Py_ssize_t)
cpdef bytes forward_response(Response response)

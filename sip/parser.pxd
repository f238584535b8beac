# Types for the compiled form of parser.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .grammar cimport is_token, parse_uint, split_commas
from .head cimport split_head
from .headers.address cimport read_uri_and_tag
from .headers.layout cimport Layout, find_layout
from .headers.via cimport Via, parse_via
from .limits cimport Limits
from .message cimport Message, Request, Response, unfold
from .recognise cimport recognise
from .uri cimport Uri, parse_uri

cdef dict _METHODS, _good, _status_lines
cdef bytes _ONLY_CALL_ID


@cython.locals(message=Message)
cpdef Message parse_message(bytes data, Limits limits, bint stream=*)
@cython.locals(
    start=bytes, text=bytes, line=bytes, lines=list, layout=Layout, request=Request,
    response=Response, method=str, size=Py_ssize_t, at=Py_ssize_t, maximum=Py_ssize_t,
)
cpdef Message _parse(bytes data, Limits limits, bint stream)
@cython.locals(layout=Layout, flat=list)
cdef list _index(Message message, list lines, Limits limits, Py_ssize_t size)
@cython.locals(words=list, name=bytes, uri=bytes, ruri=Uri)
cdef _read_request_line(Request request, bytes start, Limits limits)
@cython.locals(known=tuple)
cdef _read_status_line(Response response, bytes start)
@cython.locals(
    layout=Layout, cuts=tuple, line=bytes, value=bytes, whole="const char*", method=str,
    at=Py_ssize_t, blank=Py_ssize_t,
)
cdef list _read_headers(Message message, list lines, Limits limits, Py_ssize_t size)
cdef _read_odd_cseq(Message message, bytes value)
cdef _set_via(Message message, Via via)
@cython.locals(
    rest=list, layout=Layout, ours=bint, count=Py_ssize_t, line=bytes, values=list, at=Py_ssize_t,
)
cdef _read_vias(Message message, bytes value, list lines, Limits limits)
@cython.locals(
    layout=Layout, line=bytes, text=bytes, whole="const char*", at=Py_ssize_t, size=Py_ssize_t,
)
cdef _read_body(
    Message message, list lines, bytes data, Py_ssize_t begin, Py_ssize_t maximum, bint stream
)

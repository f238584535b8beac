# Types for the compiled form of parser.py; the interpreter never reads this file.

cimport cython

from .grammar cimport is_token, parse_uint, split_commas
from .head cimport split_head
from .headers.address cimport read_uri_and_tag
from .headers.layout cimport Layout, find_layout
from .headers.via cimport Via, parse_via
from .message cimport Message, Request, Response, unfold
from .uri cimport Uri, parse_uri

cdef dict _METHODS, _STATUS_CODES, _good
cdef bytes _ONLY_CALL_ID


cpdef Message parse_message(bytes data, object limits, bint stream=*)
@cython.locals(
    head=bytes, empty_line=bytes, rest=bytes, start=bytes, text=bytes, line=bytes, lines=list, layout=Layout,
    request=Request, response=Response, size=Py_ssize_t, at=Py_ssize_t,
)
cdef Message _parse(bytes data, object limits, bint stream)
@cython.locals(layout=Layout, flat=list)
cdef list _index(Message message, list lines, object limits, Py_ssize_t size)
@cython.locals(words=list, name=bytes, uri=bytes, ruri=Uri)
cdef _read_request_line(Request request, bytes start, object limits)
cdef _read_status_line(Response response, bytes start)
@cython.locals(
    layout=Layout, cuts=tuple, value=bytes, line=bytes, number=bytes, name=bytes, at=Py_ssize_t,
)
cdef list _read_headers(Message message, list lines, object limits, Py_ssize_t size)
@cython.locals(
    rest=list, layout=Layout, ours=bint, count=Py_ssize_t, line=bytes, values=list, at=Py_ssize_t,
)
cdef _read_vias(Message message, bytes value, list lines, object limits)
@cython.locals(layout=Layout, text=bytes, line=bytes, at=Py_ssize_t)
cdef _read_body(Message message, list lines, bytes rest, Py_ssize_t maximum, bint stream)

# Types for the compiled form of recognise.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .headers.address cimport read_uri_and_tag, recognise_tag, recognise_uri
from .headers.layout cimport Layout, layouts_of
from .headers.structure cimport check_header
from .headers.via cimport Via, recognise_via
from .known cimport Known
from .limits cimport Limits
from .message cimport Message, Request, Response
from .uri cimport Uri
from .uri cimport recognise_uri as recognise_ruri

cdef long long _MAX_CSEQ
cdef Py_ssize_t _CONTACT_BYTES
cdef bytes _ONLY_CALL_ID
cdef Known _contacts, _methods, _statuses, _types


@cython.locals(request=Request, response=Response)
cpdef Message recognise(bytes data, Limits limits, bint stream)
@cython.locals(known=tuple)
cdef bint _read_response(Response response, bytes data, Limits limits, bint stream) except -1
@cython.locals(
    end=Py_ssize_t, blank=Py_ssize_t, at=Py_ssize_t, start=Py_ssize_t, cut=Py_ssize_t, number="long long",
    maximum=Py_ssize_t, method=str, name=str, uri=Uri, layout=Layout,
)
cdef bint _read_request(Request request, bytes data, Limits limits, bint stream) except -1
@cython.locals(start=Py_ssize_t, stop=Py_ssize_t)
cdef _check_contact(Request request, bytes data, Py_ssize_t at)
@cython.locals(count=Py_ssize_t, size=Py_ssize_t, place=Py_ssize_t, candidates=list, layout=Layout)
cdef bint _mark(Message message, bytes data, Limits limits) except -1
@cython.locals(
    layout=Layout, at=Py_ssize_t, start=Py_ssize_t, cut=Py_ssize_t, stop=Py_ssize_t,
    blank=Py_ssize_t, number="long long", text="const char*", hop=Via, method=str,
)
cdef bint _read_parties(Message message, bytes data) except -1
@cython.locals(start=Py_ssize_t, stop=Py_ssize_t, end=Py_ssize_t, uri=Uri, tag=bytes)
cdef tuple _read_party(Message message, bytes data, Py_ssize_t at, str where)
@cython.locals(
    count=int, at=Py_ssize_t, cut=Py_ssize_t, start=Py_ssize_t, stop=Py_ssize_t,
)
cdef bint _count_vias(Message message, bytes data, Limits limits, bint ours) except -1
@cython.locals(
    layout=Layout, at=Py_ssize_t, begin=Py_ssize_t, size=Py_ssize_t, start=Py_ssize_t, cut=Py_ssize_t,
    length="long long", text="const char*",
)
cdef bint _read_body(Message message, bytes data, Py_ssize_t maximum, bint stream) except -1

# Types for the compiled form of address.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from ..grammar cimport is_token, parse_params, skip_quoted, split_commas
from ..known cimport Known
from ..uri cimport Uri, is_usual, parse_uri

cdef bytes _ONLY_TOKEN
cdef Known _contacts
cdef Known _fronts


cdef class Address:
    cdef public bytes display
    cdef public Py_ssize_t end
    cdef public list params
    cdef public bytes raw
    cdef public Uri uri

    cpdef bytes param(self, bytes name)


cpdef Uri recognise_uri(bytes text, Py_ssize_t start, Py_ssize_t at)
cpdef bytes recognise_tag(bytes text, Py_ssize_t start, Py_ssize_t stop)
cpdef Address parse_address(bytes value, object where=*)
cdef Address _bracketed(bytes value, bytes display, bytes tail, object where)
@cython.locals(
    at=Py_ssize_t, whole="const char*", tag=bytes, uri=Uri, address=Address, value=bytes,
    text=bytes, bracket=Py_ssize_t, found=bytes,
)
cpdef tuple read_uri_and_tag(bytes line, object where, Py_ssize_t cut=*)
cpdef list parse_addresses(object values, object where)
@cython.locals(lines=list, line=bytes, known=list)
cpdef parse_contacts(object values)
cdef list _read_contacts(list lines)
cpdef int parse_q(bytes value) except -1

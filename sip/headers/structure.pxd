# Types for the compiled form of structure.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from ..grammar cimport is_token, parse_params
from ..message cimport Request
from .address cimport parse_addresses


@cython.locals(value=bytes, package=bytes, semicolon=bytes, params=bytes)
cpdef check_header(Request request, str name)
@cython.locals(media=bytes, semicolon=bytes, params=bytes, kind=bytes, subtype=bytes)
cpdef check_content_type(bytes value)

# Types for the compiled form of uri.py; the interpreter never reads this file.


cdef class Uri:
    cdef str _aor
    cdef public bytes headers
    cdef public str host
    cdef public bint is_sip
    cdef public dict params
    cdef public bytes password
    cdef public object port
    cdef public bytes raw
    cdef public str scheme
    cdef public bytes user

cpdef Uri parse_uri(bytes raw)

# Types for the compiled form of mediatype.py; the interpreter never reads this file.

cpdef bytes media_type(bytes value)
cpdef bint is_cpim(bytes content_type) except -1

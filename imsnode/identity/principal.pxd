# Types for the compiled form of principal.py; the interpreter never reads this file.


cdef class Principal:
    cdef public str aor
    cdef public bint hidden
    cdef public str how
    cdef public str identity
    cdef public str peer

# Types for the compiled form of onward.py; the interpreter never reads this file.


cdef class Onward:
    cdef object _node
    cdef public object dial, held, interconnect, ways

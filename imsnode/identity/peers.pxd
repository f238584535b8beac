# Types for the compiled form of peers.py; the interpreter never reads this file.

from sip.flow cimport Flow


cdef class PeerTable:
    cdef dict _known
    cdef dict _peers
    cdef list _rules

    cpdef match(self, Flow flow)

# Types for the compiled form of peers.py; the interpreter never reads this file.

from sip.flow cimport Flow


cdef class Peer:
    cdef readonly str name
    cdef readonly str address
    cdef readonly str trust
    cdef readonly str transport
    cdef readonly bint relay
    cdef readonly str role
    cdef readonly str tls_name


cdef class PeerTable:
    cdef dict _known
    cdef Peer _last
    cdef Flow _last_flow
    cdef dict _peers
    cdef list _rules

    cpdef Peer match(self, Flow flow)
    cdef Peer _look_up(self, Flow flow)

# Types for the compiled form of echo.py; the interpreter never reads this file.

from pager.identity cimport MessageIds
from sip.endpoint cimport Endpoint


cdef class Echo:
    cdef public frozenset aors
    cdef public long long echoed
    cdef public Endpoint endpoint
    cdef public MessageIds ids
    cdef public object known
    cdef public object ledger
    cdef public object send
    cdef public object wall

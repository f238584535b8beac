# Types for the compiled form of subscription.py; the interpreter never reads this file.

from sip.dialog cimport Dialog
from sip.flow cimport Flow


cdef class Subscription:
    cdef public object adaptive
    cdef public double armed
    cdef public bint bound
    cdef public bint busy
    cdef public bytes charging
    cdef public bytes contact
    cdef public long long cseq_limit
    cdef public object decision
    cdef public Dialog dialog
    cdef public int due
    cdef public double ending
    cdef public bytes etag
    cdef public object event
    cdef public bytes event_id
    cdef public double expires_at
    cdef public Flow flow
    cdef public double gap_s
    cdef public object interest
    cdef public bint kept
    cdef public bytes kind
    cdef public double longest_s
    cdef public object memo
    cdef public double not_before
    cdef public long long number
    cdef public tuple origin
    cdef public object owner
    cdef public object package
    cdef public bytes rates
    cdef public str resource
    cdef public int retry_after
    cdef public double since
    cdef public object state
    cdef public bytes suppress
    cdef public object terms
    cdef public long long version
    cdef public str watcher

    cpdef on_timer(self, int kind, double now)

# Types for the compiled form of stats.py; the interpreter never reads this file.

cdef class Stats:
    cdef public long long acks, banned, cancels, client_created, client_timeouts, faults, ignored
    cdef public long long malformed, refused_source, replies, requests, resent, responses
    cdef public long long retransmissions_in, server_created, server_timeouts, shed
    cdef public long long silent_replies, stray_responses, stun, suppressed_responses
    cdef public long long transport_failures
    cdef public dict refusals

    cpdef refuse(self, int status, bytes reason)

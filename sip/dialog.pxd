# Types for the compiled form of dialog.py; the interpreter never reads this file.


cdef class Dialog:
    cdef public bytes call_id
    cdef public bint confirmed
    cdef public long long local_cseq
    cdef public bytes local_tag
    cdef public bytes local_uri
    cdef public long long remote_cseq
    cdef public bytes remote_tag
    cdef public bytes remote_target
    cdef public bytes remote_uri
    cdef public tuple route_set
    cdef public bint secure


cpdef tuple request_route(Dialog dialog)

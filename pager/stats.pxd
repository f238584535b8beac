# Types for the compiled form of stats.py; the interpreter never reads this file.

cdef class PagerStats:
    cdef public long long attempts, copies, delivered, duplicates, expired, passed_on
    cdef public long long refused_by_device, refused_content, refused_full, refused_size, refused_store
    cdef public long long refused_unavailable, relayed, retries, store_failures, stored
    cdef public long long submitted, unsettled, dropped, held, refused_policy

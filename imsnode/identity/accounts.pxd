# Types for the compiled form of accounts.py; the interpreter never reads this file.

from sip.uri cimport Uri


cdef class Directory:
    cdef public list on_change
    cdef dict _accounts
    cdef dict _unusual
    cdef long long _choosing

    cpdef get(self, str aor)
    cpdef login(self, str realm, bytes user)


cdef class LocalNames:
    cdef object _addresses
    cdef frozenset _domains
    cdef public tuple domains
    cdef public str first

    cpdef bint is_local(self, str host) except -1
    cpdef str aor_of(self, Uri uri)

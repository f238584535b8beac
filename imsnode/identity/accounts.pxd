# Types for the compiled form of accounts.py; the interpreter never reads this file.

from sip.uri cimport Uri


cdef class AkaSubscription:
    cdef public str algorithm
    cdef public bytes amf
    cdef public long long reserved
    cdef public bytes sealed


cdef class Account:
    cdef public AkaSubscription aka
    cdef public tuple algorithms
    cdef public str aor
    cdef public str display_name
    cdef public bint enabled
    cdef public str ha1_md5
    cdef public str ha1_sha256
    cdef public str ha1_sha512_256
    cdef public tuple identities
    cdef public str realm
    cdef public bint rfc2069
    cdef public str user

    cpdef bytes ha1(self, str algorithm)


cdef class Directory:
    cdef public list on_change
    cdef dict _accounts
    cdef dict _unusual
    cdef public long long cards
    cdef public long long choosing
    cdef public object identities

    cpdef Account get(self, str aor)
    cpdef Account login(self, str realm, bytes user)


cdef class LocalNames:
    cdef object _addresses
    cdef dict _barred
    cdef frozenset _domains
    cdef object _identities
    cdef dict _plans
    cdef dict _public
    cdef public tuple domains
    cdef public str first

    cpdef bint is_local(self, str host) except -1
    cpdef str aor_of(self, Uri uri)
    cpdef str registrant(self, Uri uri)
    cpdef Uri routable(self, Uri uri)

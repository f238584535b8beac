# Types for the compiled form of archive_place.py; the interpreter never reads this file.

cdef int _PLACE_BITS
cdef int _POSITION_BITS
cdef long long _LOW
cdef long long _NAMES
cdef long long _SPREAD

cpdef long long conversation(long long one, long long other)
cpdef long long entry_at(long long position, long long checksum)
cpdef long long position_of(long long seq, long long place)

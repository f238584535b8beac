# Types for the compiled form of archive_group.py; the interpreter never reads this file.

cimport cython

from .archive_place cimport conversation, entry_at, position_of


cdef int _BLOCK, _SENDER, _RECIPIENT, _KNOWN
cdef dict _known
cdef tuple _OWNERS
cdef dict _digits


cdef class Party:
    cdef public bytes octets
    cdef public long long checksum


cdef class Pile:
    cdef public long long seq
    cdef public double latest
    cdef public list messages


cdef class Group:
    cdef public long long first, last, count
    cdef public double until
    cdef public list blocks, entries, brief, displayed, taken_back
    cdef public object _keep
    cdef dict _piles
    cdef double _span
    cdef Pile _pile
    cdef long long _at_ms
    cdef bytes _at_text

    @cython.locals(
        owners=int, message_id=str, at=double, sender=str, recipient=str, status=object,
        content_type=bytes, call_id=bytes, body=bytes, imdn_id=bytes, brief=bint, shown_as=bytes, keep=object,
        longest=double, seconds=double, one=Party, other=Party, fields=tuple, pile=Pile,
        position=cython.longlong, entries=list,
    )
    cpdef add(self, tuple noted)
    @cython.locals(pile=Pile)
    cpdef close(self)
    cdef _note_displayed(self, str author, str reader, bytes imdn_id)
    cdef Pile _begin(self)
    @cython.locals(pile=Pile)
    cdef Pile _open(self, double span)
    @cython.locals(until=double)
    cdef _seal(self, double span, Pile pile)
    @cython.locals(at_ms=cython.longlong)
    cdef bytes _stamp(self, double at)


@cython.locals(party=Party)
cdef Party _party(str aor)
cdef bytes _number(object status)

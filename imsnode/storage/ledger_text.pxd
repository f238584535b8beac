# Types for the compiled form of ledger_text.py; the interpreter never reads this file.

import cython

from pager.values cimport LedgerEntry
from sip cimport collector


cdef str _readable(str text)


cdef class BlockText:
    cdef public Py_ssize_t count
    cdef public double ended
    cdef list _records, _final, _steps, _sums
    cdef dict _stamps, _seconds
    cdef bytes _lines

    @cython.locals(
        steps=list, call_id=bytes, message_id=str, sender=str, recipient=str, ended=double,
        begun_ms=cython.longlong, ended_ms=cython.longlong, begun_text=str, status=object,
        told=list, sums=list, name=str, when=double, step=str, device=str, answer=object, rule=str,
        about=bytes,
    )
    cpdef add(self, LedgerEntry entry)

    @cython.locals(second=cython.longlong, begun=str, text=str)
    cdef str _stamp(self, long long wall_ms)

# Types for the compiled form of ledger_text.py; the interpreter never reads this file.

import cython

from pager.values cimport LedgerEntry, Notice
from sip cimport octets


cdef bytes _ONLY_PLAIN
cdef Py_ssize_t _KNOWN
cdef dict _known
cdef dict _tails

cdef str _readable(str text)
@cython.locals(quoted=bytes)
cdef bytes _quoted(str text)
cdef bytes _tail(str step, str device, object status, str rule)
cdef bytes _rare_line(LedgerEntry entry, bytes begun, bytes ended, object status)
cdef bytes _about(Notice notice)


cdef class BlockText:
    cdef public Py_ssize_t count
    cdef public double ended
    cdef list _records, _final, _steps, _sums
    cdef dict _stamps, _seconds
    cdef bytes _lines

    @cython.locals(
        at=double, begun_ms=cython.longlong, ended_ms=cython.longlong, after_ms=cython.longlong,
        ended=double, status=object, told=bytes, known=dict, steps=list, when=double, step=str,
        device=str, answer=object, rule=str, tails=dict, begun_text=bytes,
        ended_text=bytes, call_id=bytes, message_id=str, name=bytes, plain=bint, line=bytes,
        sums=list,
    )
    cpdef add(self, LedgerEntry entry)

    @cython.locals(second=cython.longlong, begun=str, text=bytes)
    cdef bytes _stamp(self, long long wall_ms)

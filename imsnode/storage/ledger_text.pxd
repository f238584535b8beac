# Types for the compiled form of ledger_text.py; the interpreter never reads this file.

import cython

from pager.values cimport LedgerEntry


cdef dict _quoted
cdef str _quote_known(str text)


cdef class BlockText:
    cdef public Py_ssize_t count
    cdef public double ended
    cdef list _sums, _lines, _records
    cdef long long _second
    cdef str _second_text

    @cython.locals(
        steps=list, call_id=bytes, message_id=str, ended=double, begun_ms=cython.longlong,
        ended_ms=cython.longlong, begun_text=str, ended_text=str, status=object, told=str,
        after_ms=cython.longlong, name=str, octets=str, record=str, when=double, step=str,
        device=str, answer=object, rule=str, at=double,
    )
    cpdef add(self, LedgerEntry entry)

    cdef str _stamp(self, long long wall_ms)

# Types for the compiled form of head.py; the interpreter never reads this file.

cimport cython


cdef bytes _ONLY_TEXT


@cython.locals(lines=list, text=bytes)
cpdef list split_head(bytes head, object limits)

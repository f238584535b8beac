# Types for the compiled form of head.py; the interpreter never reads this file.

cimport cython


@cython.locals(lines=list)
cpdef list split_head(bytes head, object limits)

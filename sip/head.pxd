# Types for the compiled form of head.py; the interpreter never reads this file.

cimport cython


cdef bytes _ONLY_TEXT_AND_ENDS


@cython.locals(lines=list, ends=Py_ssize_t)
cpdef list split_head(bytes head, object limits)

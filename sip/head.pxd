# Types for the compiled form of head.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .limits cimport Limits


@cython.locals(lines=list, first=bytes)
cpdef list split_head(bytes data, Py_ssize_t end, Limits limits)

# Types for the compiled form of grammar.py; the interpreter never reads this file.

cimport cython

from . cimport octets

cdef bytes ONLY_TOKEN


cpdef bint is_token(bytes value) except -1
@cython.locals(number="long long")
cpdef long long parse_uint(bytes value, long long maximum, object where) except -1
cpdef Py_ssize_t skip_quoted(bytes value, Py_ssize_t start) except -2
cpdef list split_list(bytes value, bytes separator, object where=*)
cpdef list split_commas(bytes value, object where=*)
cpdef list parse_params(bytes value, object where=*)
cpdef check_param_value(bytes text, object where)

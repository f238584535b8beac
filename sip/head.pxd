# Types for the compiled form of head.py; the interpreter never reads this file.

cpdef list split_head(bytes head, object limits)

# Types for the compiled form of contents.py; the interpreter never reads this file.

from sip.bodies.imdn_request cimport Glance, glance
from sip.bodies.mediatype cimport is_cpim, media_type

from .values cimport Notice


cpdef Notice read_notice(bytes content_type, bytes body)
cpdef Notice notice_of(Glance seen, bytes body)
cpdef Notice stored_notice(bytes head, bytes body)
cpdef bytes stored_cpim(bytes head)
cdef Notice _wrapped(bytes body)

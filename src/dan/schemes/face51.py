"""The 51 inner points of face68, that is those without the jaw, in their order.

The 300-W challenge scored them beside the 68 (Sagonas et al. 2013), as the outline of the jaw is
the least certain part of an annotation.
"""

from dan.schemes.face68 import FACE68
from dan.schemes.grouped import part_of

FACE51 = part_of(FACE68, range(17, 68), "face51")

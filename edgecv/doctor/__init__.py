"""What is wrong with a machine, and the command that mends it.

    from edgecv.doctor import diagnose, gather

    for finding in diagnose(gather()):
        finding.name, finding.status, finding.what, finding.fix

`gather` reads the facts of this machine; every check is a function over them, so that a test can
state the facts of a machine that it does not have. Nothing but the standard library is needed.
"""

from .diagnosis import CHECKS, diagnose
from .facts import Facts
from .findings import Finding, Verdict
from .gather import gather

__all__ = ["CHECKS", "Facts", "Finding", "Verdict", "diagnose", "gather"]

"""Any action, driven by what botocore's model says of it.

``references`` finds which parameters of an action take ids or names of things, ``examples`` builds valid parameters.
What neither can know is said in one module for each area beside them (``instances.py``, ``networks.py``, ...), all of
which are imported by ``load()``.  A new action needs an entry there only when a test says so:

- ``@thing("vol")``: how a tenant gets one of a kind.  Every kind of ``ec2api.kinds`` needs one.
- ``needs("AttachVolume", Device="/dev/sdf")``: what an action takes besides what the model requires; ``at`` says for
  which parameter alone, ``None`` takes a parameter away, ``"<vol>"`` stands for the caller's own thing of the kind.
- ``exempt("RunInstances", "BlockDeviceMappings.Ebs.SnapshotId", "...")``: a parameter whose foreign ids are told
  something else than NotFound, and why; what they are told must still be the same as for absent ones.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every module of this package, so that all that they say is known."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")

"""What compute's services refuse."""

from __future__ import annotations

from portal.errors import CloudError


class IncorrectState(CloudError):
    """The instance is not in a state from which this can be done."""

    code = "IncorrectInstanceState"


class InstanceNotFound(CloudError):
    code = "InvalidInstanceID.NotFound"


class OperationNotPermitted(CloudError):
    """Protected against it, by the tenant's own wish."""

    code = "OperationNotPermitted"


class IdempotentParameterMismatch(CloudError):
    """The client token was used before, with other parameters."""

    code = "IdempotentParameterMismatch"

"""What services raise; the edges translate it: EC2 code, form error, admin message."""

from __future__ import annotations


class CloudError(Exception):
    """A refusal.  ``code`` is EC2's word for it; the message names the thing, its state and the way out."""

    code = "InvalidParameterValue"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class NotFound(CloudError):
    """There is no such thing in this tenant."""

    code = "InvalidParameterValue"


class QuotaExceeded(CloudError):
    """More was asked than the tenant may have."""

    code = "ResourceLimitExceeded"

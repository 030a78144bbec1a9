"""What a client is told when a request fails: codes, their HTTP status, and the envelopes they travel in."""

from __future__ import annotations

from ec2api.protocol.text import escape

# HTTP status by error code; what is not here is 400.  From "Error codes for the Amazon EC2 API" and "Common Error
# Types" in the EC2 API reference, and where those give only a class (client 4xx, server 5xx) from what Amazon has been
# seen to send: AuthFailure 401, SignatureDoesNotMatch 403, DryRunOperation 412, InsufficientInstanceCapacity 500.
# Clients depend on it: every SDK retries 5xx on its own, and 503 with RequestLimitExceeded makes it slow down.
STATUS: dict[str, int] = {
    "AuthFailure": 401,
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "OptInRequired": 403,
    "SignatureDoesNotMatch": 403,
    "UnauthorizedOperation": 403,
    "MalformedQueryString": 404,
    "DryRunOperation": 412,
    "RequestEntityTooLarge": 413,
    "InsufficientAddressCapacity": 500,
    "InsufficientCapacity": 500,
    "InsufficientHostCapacity": 500,
    "InsufficientInstanceCapacity": 500,
    "InsufficientReservedInstanceCapacity": 500,
    "InsufficientVolumeCapacity": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
}


def status_of(code: str) -> int:
    """The HTTP status that Amazon sends with ``code``."""
    return STATUS.get(code, 400)


class ApiError(Exception):
    """A refusal that leaves as an error envelope; the status follows from the code unless given."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status_of(code) if status is None else status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def invalid_action(name: str) -> ApiError:
    """For an action that we do not have; Terraform tolerates it only with exactly these words."""
    return ApiError("InvalidAction", f"The action {name[:128]} is not valid for this web service.")


def render_error(code: str, message: str, request_id: str, service: str = "ec2", status: int | None = None) -> bytes:
    """The envelope of ``service``; any service but STS gets EC2's, which spells ``RequestID`` so."""
    status = status_of(code) if status is None else status
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "sts":
        kind = "Receiver" if status >= 500 else "Sender"
        text = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<Error><Type>{kind}</Type>{error}</Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>"
        )
    else:
        text = (
            f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{escape(request_id)}</RequestID></Response>"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()

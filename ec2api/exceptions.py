"""Everything that can go wrong, as what an EC2 client is told."""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, OperationalError
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed

from ec2api.protocol.errors import ApiError
from portal.errors import CloudError

logger = logging.getLogger(__name__)


def translate(error: BaseException) -> ApiError:
    """The refusal that leaves; what nobody expected is logged and becomes InternalError."""
    match error:
        case ApiError():
            return error
        case CloudError():
            return ApiError(error.code, error.message)
        case RequestDataTooBig():
            return ApiError("RequestEntityTooLarge", "The request is larger than this service takes.")
        case MethodNotAllowed():
            return ApiError("InvalidRequest", "Send requests by POST or GET.", status=405)
        case UnreadablePostError():
            return ApiError("InvalidRequest", "The request ended before its body did.")
        case OperationalError():
            logger.exception("the database did not answer", exc_info=error)
            return ApiError("Unavailable", "The service is unavailable. Please try again shortly.")
        case IntegrityError():
            # What the action had looked at was changed by another before it could write: a second try will see that.
            logger.exception("two requests were in each other's way", exc_info=error)
            return ApiError("Unavailable", "Another request changed the same thing just now. Please try again.")
    logger.error("an action failed", exc_info=error)
    return ApiError("InternalError", "An internal error has occurred")

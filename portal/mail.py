"""What is sent by mail."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from portal.models import Invitation

logger = logging.getLogger(__name__)
CONSOLE = "django.core.mail.backends.console.EmailBackend"


def mail_is_configured() -> bool:
    """Whether messages reach people; without a mail server they go to the web server's output."""
    return bool(settings.EMAIL_BACKEND != CONSOLE)


def mail_invitation(invitation: Invitation, link: str) -> bool:
    """Whether it could be sent.  Waits for the mail server, so call it after the transaction."""
    subject = _("Invitation to %(tenant)s on Yushan") % {"tenant": " ".join(invitation.tenant.name.split())}
    text = render_to_string("registration/invitation_email.txt", {"invitation": invitation, "link": link})
    try:
        send_mail(subject, text, None, [invitation.email])
    except (OSError, SMTPException):
        logger.exception("could not mail the invitation %s", invitation.pk)
        return False
    return True

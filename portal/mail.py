"""Mail to the administrators, and to those who own what ends, through the SMTP server that the settings name."""

import smtplib
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from portal.refusal import Refusal

# Seconds for each step of the conversation.
PATIENCE = 10


class NotSent(Refusal):
    """The server did not take the mail; its text holds no word of the server, which may repeat what it was told."""

    status, code = 503, "mail_not_sent"


def is_set_up() -> bool:
    """Whether there is a server and somebody to write to."""
    return bool(settings.MAIL_SERVER and settings.ADMIN_EMAILS)


def send(subject: str, text: str, to: Sequence[str] = ()) -> None:
    """Write to these people, else to the administrators of the settings. May take long: never in a transaction."""
    server = settings.MAIL_SERVER
    if server is None:
        raise NotSent("There is no mail server; name one in GATEHOUSE_MAIL_URL.")
    backend = EmailBackend(
        host=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.demands_starttls,
        use_ssl=server.is_smtps,
        timeout=PATIENCE,
    )
    try:
        EmailMessage(subject, text, settings.MAIL_FROM, to or settings.ADMIN_EMAILS, connection=backend).send()
    except smtplib.SMTPResponseException as no:
        raise NotSent(f"{server.host} answered {no.smtp_code}; see its log, and GATEHOUSE_MAIL_URL.") from None
    except smtplib.SMTPRecipientsRefused as no:
        codes = ", ".join(sorted({str(code) for code, _ in no.recipients.values()}))
        raise NotSent(f"{server.host} refused every recipient ({codes}); see their addresses.") from None
    except (OSError, smtplib.SMTPException) as failed:
        what = type(failed).__name__
        raise NotSent(f"{server.host}:{server.port} took no mail ({what}); see GATEHOUSE_MAIL_URL.") from None
    except ValueError:  # Last, since a certificate that does not fit is one of these as well.
        raise NotSent("This mail has an address or a subject that no server takes; see its owner's address.") from None

"""Where a person goes next: only ever to a page of ours."""

from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

PAGES = "/portal/"


def own_page(wanted: str | None, otherwise: str = PAGES) -> str:
    """The path that was asked for if it is one of our pages, else another."""
    fits = wanted and wanted.startswith(PAGES) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if wanted and fits else otherwise


def page_of(htmx: HtmxDetails) -> str | None:
    """The path and query of our page that the browser shows, as htmx tells it; None where that is no URL of ours."""
    try:
        return htmx.current_url_abs_path
    except ValueError:  # Anybody may send anything as that header.
        return None

"""Where a person goes next: only ever to a page of ours."""

from django.utils.http import url_has_allowed_host_and_scheme

PAGES = "/portal/"


def own_page(wanted: str | None, otherwise: str = PAGES) -> str:
    """The path that was asked for if it is one of our pages, else another."""
    fits = wanted and wanted.startswith(PAGES) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if wanted and fits else otherwise

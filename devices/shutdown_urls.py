"""Where the pages about shutdowns are."""

from django.urls import path

from devices import shutdown_order_pages, shutdown_pages

app_name = "shutdowns"
urlpatterns = [
    path("", shutdown_pages.index, name="list"),
    path("awaiting/", shutdown_pages.awaiting, name="awaiting"),
    path("order/", shutdown_order_pages.new, name="new"),
    path("order/choose/", shutdown_order_pages.choose, name="choose"),
    path("order/review/", shutdown_order_pages.review, name="review"),
    path("order/change/", shutdown_order_pages.change, name="change"),
    path("order/place/", shutdown_order_pages.place, name="place"),
    path("<uuid:job_id>/", shutdown_pages.detail, name="detail"),
    path("<uuid:job_id>/standing/", shutdown_pages.standing, name="standing"),
    path("<uuid:job_id>/progress/", shutdown_pages.progress, name="progress"),
    path("<uuid:job_id>/cancel/", shutdown_pages.cancel, name="cancel"),
    path("<uuid:job_id>/approve/", shutdown_pages.approve, name="approve"),
    path("<uuid:job_id>/refuse/", shutdown_pages.refuse, name="refuse"),
    path("<uuid:job_id>/retry/", shutdown_pages.retry, name="retry"),
]

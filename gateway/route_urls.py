"""Where the pages about routes are."""

from django.urls import path

from gateway import route_pages, route_try_pages

app_name = "routes"
urlpatterns = [
    path("", route_pages.index, name="list"),
    path("try/", route_try_pages.index, name="try"),
    path("try/judge/", route_try_pages.judge, name="judge"),
    path("routes/new/", route_pages.new, name="new"),
    path("routes/new/make/", route_pages.create, name="create"),
    path("routes/<int:number>/", route_pages.detail, name="detail"),
    path("routes/<int:number>/change/", route_pages.change, name="change"),
    path("routes/<int:number>/enable/", route_pages.enable, name="enable"),
    path("routes/<int:number>/disable/", route_pages.disable, name="disable"),
    path("routes/<int:number>/delete/", route_pages.delete, name="delete"),
]

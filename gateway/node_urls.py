"""Where the pages about nodes are."""

from django.urls import path, re_path

from gateway import node_pages, remote_nodes

app_name = "nodes"
urlpatterns = [
    path("", node_pages.index, name="list"),
    re_path(rf"^(?P<name>{remote_nodes.NAME})/$", node_pages.detail, name="detail"),
    re_path(rf"^(?P<name>{remote_nodes.NAME})/delete/$", node_pages.delete, name="delete"),
]

from django.contrib import admin
from django.urls import include, path

from behind import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/auth/", include("django_channels_jwt.urls")),
    path("see/", views.see),
    path("see/<path:rest>", views.see),
    path("upload/", views.upload),
    path("stream/", views.stream),
    path("cut/", views.cut),
    path("events/<str:name>/", views.events),
    path("release/<str:name>/", views.release),
    path("recorded/<str:name>/", views.recorded),
    path("download/<int:size>/", views.download),
    path("cookies/", views.cookies),
    path("headers/", views.headers),
    path("status/<int:status>/", views.status),
    path("redirect/", views.redirect),
    path("tagged/", views.tagged),
    path("error/", views.error),
    path("slow/<str:seconds>/", views.slow),
    path("login/", views.login),
    path("page/", views.page),
]

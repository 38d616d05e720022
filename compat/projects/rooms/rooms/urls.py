from django.urls import include, path, re_path

from rooms import views

urlpatterns = [
    path("api/auth/", include("django_channels_jwt.urls")),
    path("sockets/room/", views.RecordedRoomView.as_view()),
    re_path(r"^sockets/odd/$", views.OddView.as_view()),
    path("sockets/caf\u00e9/", views.EchoView.as_view()),
    path("asked/", views.asked),
    path("departures/", views.departures),
]

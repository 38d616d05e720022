from django.urls import include, path

from groups import views

urlpatterns = [
    path("api/auth/", include("django_channels_jwt.urls")),
    path("group-send/<str:group>/", views.group_send),
    path("send/<str:channel>/", views.send),
]

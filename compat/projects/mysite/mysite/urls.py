from django.urls import include, path
from rest_framework_simplejwt.views import TokenObtainPairView

urlpatterns = [
    path("api/auth/", include("django_channels_jwt.urls")),
    path("api/token/", TokenObtainPairView.as_view()),
]
